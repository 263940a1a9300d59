//! Fuzz targets for everything that reads bytes from outside, and for the engine.
//!
//! A target is a function of bytes that must return: it panics where a decoder
//! panicked, or said something else than its twin. One program runs any of them
//! under a coverage-guided fuzzer (`make fuzz`), another one runs a single input
//! (`replay`), and plain `cargo test` runs every input under `seeds/`.
//!
//! Invariants: a target depends on nothing but its input; it keeps no state from one
//! to the next; it ends in well under a second, whatever the input.

mod input;
mod targets;

pub use targets::{Target, named};
