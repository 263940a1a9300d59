//! Counters and histograms that threads do not fight over: a copy for each thread (up to
//! a bound; then some share one), added up when somebody asks.
//!
//! Exact in sum, also where threads share: every count is an atomic addition, to a line
//! that is nearly always this core's own.
//!
//! Memory: 47 KiB a stripe, fixed when the node is made.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::histogram::{Distribution, Histogram};
use super::kind::{Operation, Outcome};
use crate::service::Method;
use shoal_threads::{copy_count, thread_number};

const METHODS: usize = Method::ALL.len();
const OUTCOMES: usize = Outcome::ALL.len();
const OPERATIONS: usize = Operation::ALL.len() * OUTCOMES;

#[derive(Debug)]
pub(super) struct Stripes {
    /// A power of two of them.
    stripes: Box<[Stripe]>,
}

#[derive(Debug)]
#[repr(align(128))]
struct Stripe {
    requests: [AtomicU64; METHODS],
    operations: [AtomicU64; OPERATIONS],
    durations: [Histogram; METHODS],
}

impl Stripe {
    fn new() -> Stripe {
        Stripe {
            requests: std::array::from_fn(|_| AtomicU64::new(0)),
            operations: std::array::from_fn(|_| AtomicU64::new(0)),
            durations: std::array::from_fn(|_| Histogram::default()),
        }
    }
}

impl Default for Stripes {
    fn default() -> Stripes {
        Stripes {
            stripes: (0..copy_count()).map(|_| Stripe::new()).collect(),
        }
    }
}

impl Stripes {
    #[inline]
    fn own(&self) -> &Stripe {
        &self.stripes[thread_number() & (self.stripes.len() - 1)]
    }

    #[inline]
    pub(super) fn request(&self, method: Method) {
        self.own().requests[method as usize].fetch_add(1, Relaxed);
    }

    #[inline]
    pub(super) fn operation(&self, operation: Operation, outcome: Outcome) {
        let at = operation as usize * OUTCOMES + outcome as usize;
        self.own().operations[at].fetch_add(1, Relaxed);
    }

    #[inline]
    pub(super) fn duration(&self, method: Method, duration_ns: u64) {
        self.own().durations[method as usize].record(duration_ns);
    }

    pub(super) fn requests_of(&self, method: Method) -> u64 {
        self.sum(|stripe| &stripe.requests[method as usize])
    }

    pub(super) fn operations_of(&self, operation: Operation, outcome: Outcome) -> u64 {
        self.sum(|stripe| &stripe.operations[operation as usize * OUTCOMES + outcome as usize])
    }

    pub(super) fn durations_of(&self, method: Method) -> Distribution {
        let mut sum = Distribution::default();
        for stripe in &self.stripes {
            sum.add(&stripe.durations[method as usize]);
        }
        sum
    }

    pub(super) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.stripes)
    }

    fn sum(&self, counter: impl Fn(&Stripe) -> &AtomicU64) -> u64 {
        let counts = self.stripes.iter().map(counter);
        counts.map(|count| count.load(Relaxed)).sum()
    }
}
