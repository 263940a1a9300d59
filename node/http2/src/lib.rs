//! The server's side of one HTTP/2 connection (RFC 9113), without I/O and without a
//! clock: bytes and the time go in, events and bytes come out.
//!
//! ```text
//! connection   the state machine: receive, respond, what to send
//!   streams    the open streams, their bodies that wait for a window
//!   outbox     bytes to send; large bodies stand in it without being copied
//!   flow       windows, both ways
//!   flood      how much of what costs a peer nothing is put up with
//!   settings   what the peer has announced
//!   head       a request's fields, checked
//!   heads      those seen before, so that a repeated block is not decoded again
//! hpack        field compression (RFC 7541)
//! frame        the nine bytes before every payload
//! limits       every bound; error: every code
//! ```
//!
//! What the caller owes: hand over every byte that the peer sends, in order, and
//! send every byte of [`Connection::output`]; stop reading while more than it wants
//! to hold is unsent; and drop the connection when [`Connection::is_finished`].
//!
//! Non-goals: clients, server push, priorities, CONNECT, upgrades from HTTP/1, gRPC.

#![forbid(unsafe_code)]

mod connection;
mod error;
mod flood;
mod flow;
pub mod frame;
mod head;
mod heads;
pub mod hpack;
mod limits;
mod outbox;
mod settings;
mod streams;

pub use connection::{Connection, Event, Received};
pub use error::{Broken, Code};
pub use head::{Head, Malformed};
pub use limits::{Limits, Rate};

/// A field to send: name and value.
pub type Field<'a> = (&'a [u8], &'a [u8]);

/// A field that every connection sends again and again.
pub type StaticField = (&'static [u8], &'static [u8]);
