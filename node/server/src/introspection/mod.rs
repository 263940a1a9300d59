//! What a node knows of its own work: counters, durations, and which keys stand out.
//!
//! ```text
//! kind        operations and what became of them
//! stripes     counters and histograms, a copy a thread
//! histogram   durations in fixed memory
//! span        how long a request took, from clocks that were read anyway
//! slow        the last slow requests
//! hot         the hottest keys, sampled
//! drawing     which operations are looked at for that
//! big         the biggest keys
//! snapshot    all of it, once, as plain values
//! ```
//!
//! Invariants: memory is fixed, whatever the load; nothing here waits for anything but,
//! on paths that are rare, a short lock; recording costs some tens of nanoseconds a
//! request. Keys are told in the snapshot alone, never to a log or a metric's label.
//!
//! Non-goals: deciding anything by what is seen here; [`crate::near`] does by the hottest
//! keys.

mod big;
mod drawing;
mod histogram;
mod hot;
mod kind;
mod slow;
mod snapshot;
pub(crate) mod span;
mod stripes;

use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;

pub use big::BigKey;
pub use hot::HotKey;
pub(crate) use hot::{AsItIs, Heat, Warm};
pub(crate) use kind::{Operation, Outcome};
pub use slow::SlowRequest;
pub use snapshot::{BigKeysTold, HotKeysTold, MethodDurations, SlowTold, Snapshot};

use crate::node::{Fault, Node};
use crate::service::{Method, subject};

/// What is kept of a key.
const KEY_BYTES_KEPT: usize = 1024;
/// Digits of an integer, at most.
const INTEGER_BYTES_MAX: usize = 20;

/// One node's.
#[derive(Debug, Default)]
pub(crate) struct Introspection {
    stripes: stripes::Stripes,
    slow: slow::SlowLog,
    hot: hot::HotKeys,
    big: big::BigKeys,
    /// Of the hashes that are told.
    keyed: RandomState,
}

impl Introspection {
    /// A request came.
    #[inline]
    pub(crate) fn request(&self, method: Method) {
        self.stripes.request(method);
    }

    /// A request was answered, this long after it came. `request`: its bytes.
    #[inline]
    pub(crate) fn answered(&self, node: &Node, method: Method, request: &Bytes, duration_ns: u64) {
        self.stripes.duration(method, duration_ns);
        if self.slow.is_slow(duration_ns) {
            self.was_slow(node, method, request, duration_ns);
        }
    }

    #[cold]
    fn was_slow(&self, node: &Node, method: Method, request: &Bytes, duration_ns: u64) {
        let (keys, key) = subject(method, request);
        let subject = slow::Subject {
            keys,
            partition: (!key.is_empty()).then(|| node.partition_of(&key)),
            key_hash: self.keyed.hash_one(&key),
            key,
        };
        self.slow.add(method, duration_ns, &subject);
    }

    /// An operation on one key was evaluated here. `told` names its outcome.
    #[inline]
    pub(crate) fn evaluated<R>(
        &self,
        operation: Operation,
        partition: u32,
        key: &[u8],
        result: Result<R, Fault>,
        told: impl FnOnce(&R) -> Outcome,
    ) -> Result<R, Fault> {
        let outcome = match &result {
            Ok(answer) => told(answer),
            Err(Fault::Failed(_)) => Outcome::Failed,
            Err(Fault::Elsewhere | Fault::Behind(_)) => return result,
        };
        self.stripes.operation(operation, outcome);
        if let Some(operations) = self.hot.draw() {
            self.sample(operation, operations, partition, key);
        }
        result
    }

    #[cold]
    fn sample(&self, operation: Operation, operations: u32, partition: u32, key: &[u8]) {
        let sample = hot::Sample {
            hash: quick_hash(key),
            key,
            partition,
            is_read: operation == Operation::Get,
            operations,
        };
        self.hot.record(sample, span::last_ns() / 1_000_000);
    }

    /// How the load lies on the keys, with those that are read so often a second.
    pub(crate) fn heat(&self, reads_per_second_min: f64, now_ms: u64) -> Heat {
        self.hot.heat(reads_per_second_min, now_ms)
    }

    /// A value was stored.
    #[inline]
    pub(crate) fn stored(&self, partition: u32, key: &[u8], value_bytes: usize) {
        let bytes = key.len() + value_bytes;
        self.big.wrote(quick_hash(key), key, partition, bytes);
    }

    /// An integer was stored.
    #[inline]
    pub(crate) fn counted(&self, partition: u32, key: &[u8]) {
        self.stored(partition, key, INTEGER_BYTES_MAX);
    }

    /// A key was removed.
    #[inline]
    pub(crate) fn removed(&self, partition: u32, key: &[u8]) {
        self.big.removed(quick_hash(key), key, partition);
    }

    /// Requests that take longer are told in the slow log.
    pub(crate) fn set_slow_threshold_ns(&self, threshold_ns: u64) {
        self.slow.set_threshold_ns(threshold_ns);
    }

    /// Requests by method, whatever became of them.
    pub(crate) fn requests(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let methods = Method::ALL.iter();
        methods.map(|method| (method.name(), self.stripes.requests_of(*method)))
    }
}

/// A fresh random number.
pub(crate) fn seed() -> u64 {
    RandomState::new().hash_one(0)
}

/// A hash in a few nanoseconds, keyed so that nobody outside can make keys look alike.
#[inline]
pub(crate) fn quick_hash(key: &[u8]) -> u64 {
    use std::sync::LazyLock;
    static SEED: LazyLock<u64> = LazyLock::new(|| seed() | 1);
    const MIX: u128 = 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835;
    let fold = |state: u64, word: u64| {
        let product = u128::from(state ^ word).wrapping_mul(MIX);
        (product >> 64) as u64 ^ product as u64
    };
    let mut words = key.chunks_exact(8);
    let mut state = *SEED ^ key.len() as u64;
    for word in &mut words {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(word);
        state = fold(state, u64::from_le_bytes(bytes));
    }
    let mut bytes = [0; 8];
    bytes[..words.remainder().len()].copy_from_slice(words.remainder());
    fold(fold(state, u64::from_le_bytes(bytes)), *SEED)
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::sync::Arc;

    use super::*;
    use crate::clock::{SystemClock, boottime_ns};
    use crate::settings::Settings;

    fn node() -> Node {
        Node::new(Settings::small(), None, Arc::new(SystemClock))
    }

    /// Time that this thread was on a core, on a machine that others use too.
    fn cpu_ns() -> u64 {
        let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        stat.split(' ').next().unwrap().parse().unwrap()
    }

    /// What a request pays for being watched, printed; nothing is asserted of time:
    /// `cargo test --release -p shoal-server --lib cost -- --ignored --nocapture`
    #[test]
    #[ignore = "it measures"]
    fn cost() {
        const TIMES: u32 = 5_000_000;
        let node = node();
        let seen = &node.introspection;
        let request = Bytes::from(b"\x0a\x0dkey:123456789".to_vec());
        let key = &request[2..];
        let measure = |name: &str, each: &mut dyn FnMut(u64)| {
            let begun_ns = cpu_ns();
            for now in 1..=u64::from(TIMES) {
                each(black_box(now));
            }
            let each_ns = (cpu_ns() - begun_ns) as f64 / f64::from(TIMES);
            println!("{name:<40} {each_ns:6.1} ns");
        };
        for _ in 0..3 {
            measure("one reading of the clock", &mut |_| {
                black_box(boottime_ns());
            });
            measure("a Get: counted, timed, sampled", &mut |now| {
                seen.request(Method::Get);
                span::begin();
                let asked = request.clone();
                span::tick(now);
                span::tick(now + 300);
                let found = seen.evaluated(Operation::Get, 0, key, Ok(()), |()| Outcome::Hit);
                black_box(found.is_ok());
                seen.answered(&node, Method::Get, &asked, span::end());
            });
            measure("beside it a Set: same size as before", &mut |_| {
                seen.stored(0, key, 900);
            });
            measure("beside it a Set: another size each time", &mut |now| {
                seen.stored(0, key, 900 + (now % 64) as usize);
            });
        }
        assert_eq!(seen.stripes.requests_of(Method::Get), 3 * u64::from(TIMES));
    }
}
