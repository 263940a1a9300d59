//! A server, a client that behaves, and what an attack on the one may cost the other.

use std::time::Instant;

use crate::process::Server;
use crate::witness::Witness;

/// What an attack may cost, where nothing else is said.
pub(crate) const MEMORY_BYTES: u64 = 12 << 20;

pub(crate) struct Scene {
    witness: Witness,
    before_bytes: u64,
    start: Instant,
    /// Last, so that the client that behaves leaves first.
    pub(crate) server: Server,
}

impl Scene {
    /// With these bounds, such as `connections_max=10`.
    pub(crate) fn new(bounds: &str) -> Scene {
        let server = Server::start(bounds);
        let witness = Witness::start(&server);
        witness.is_served();
        Scene {
            start: Instant::now(),
            before_bytes: server.memory_bytes().0,
            witness,
            server,
        }
    }

    /// The client that behaves is served now, under attack.
    pub(crate) fn others_are_served(&self) {
        self.witness.is_served();
    }

    /// The attackers are gone.
    pub(crate) fn attackers_are_gone(&self) {
        self.server.until_connections(1);
    }

    /// Others were served throughout, memory was bounded, nothing panicked.
    pub(crate) fn holds(self) {
        self.holds_within(MEMORY_BYTES);
    }

    pub(crate) fn holds_within(self, bytes_max: u64) {
        self.witness.is_served();
        let grown = self
            .server
            .memory_bytes()
            .1
            .saturating_sub(self.before_bytes);
        let (rounds, slowest) = self.witness.seen();
        let took = self.start.elapsed();
        println!(
            "{took:?}: memory grew by {grown} bytes; {rounds} rounds, the slowest {slowest:?}"
        );
        assert!(
            grown <= bytes_max,
            "memory grew by {grown} bytes and may grow by {bytes_max}"
        );
        assert_eq!(self.server.panics(), 0, "a task panicked");
    }
}
