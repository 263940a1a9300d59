//! How many threads share a node without getting into each other's way.
//!
//! ```text
//! number   threads by number, for what is kept once for each of them
//! lock     one holds it alone, or many who only read are in side by side
//!   seats  who of them is in where
//!   data   the mutex under it, and the only way past it
//! sync     locks and atomics, or those of a schedule explorer
//! ```
//!
//! A line of memory that two cores write in turns goes from one to the other each time. That
//! takes some 30 ns between cores that share a cache, and 200 or more between cores that do
//! not: as long as all that a read of a hot key has to do. So what threads write to here
//! while they only read is their own.
//!
//! Non-goals: which of a lock's readers change nothing (the engine knows).

mod data;
mod lock;
mod number;
mod seats;
mod sync;

pub use lock::{Guard, Lock};
pub use number::{copy_count, thread_number};
pub use seats::Seats;
