//! Hostile clients: floods, bombs, stalls and nonsense on loopback.
//!
//! The server is a process of its own, so that its memory is seen from outside
//! (`process`). While it is attacked over sockets whose frames are written by hand
//! (`attacker`, `frame`, `hpack`), a client that behaves is served all the time
//! (`witness`). A `scene` is the two together: it ends with a check that the client
//! was served, that memory stayed within what the attack may cost, and that nothing
//! panicked.
//!
//! Each test says what becomes of the attacker. The bounds are in docs/limits.md.

mod attacker;
mod blocks;
mod calls;
mod connections;
mod continuations;
mod floods;
mod frame;
mod garbage;
mod headers;
mod hoards;
mod hpack;
mod log;
mod malformed;
mod process;
mod protocols;
mod readers;
mod resets;
mod scene;
mod slowness;
mod streams;
#[path = "../server/support.rs"]
#[allow(dead_code, reason = "the other test binary uses all of it")]
mod support;
mod witness;
