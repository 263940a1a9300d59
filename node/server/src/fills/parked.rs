//! A caller that waits for another's load: a future that ends at its turn. Dropped, it
//! waits no longer, and what it was just given passes on.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use shoal_engine::{FillAsk, Turn};

use crate::clock::engine_now;
use crate::fills::{Caller, Grant};

pub(crate) struct Parked {
    caller: Arc<Caller>,
    partition: u32,
    key: Bytes,
    /// Under which the engine knows it. None: it knows it no more.
    number: Option<u64>,
    ask: FillAsk,
    has_run_out: bool,
}

impl Parked {
    pub(crate) fn new(
        caller: &Arc<Caller>,
        partition: u32,
        key: Bytes,
        number: u64,
        ask: FillAsk,
    ) -> Parked {
        Parked {
            caller: caller.clone(),
            partition,
            key,
            number: Some(number),
            ask,
            has_run_out: false,
        }
    }

    /// Its own time is over.
    pub(crate) fn run_out(mut self) {
        self.has_run_out = true;
    }
}

impl Future for Parked {
    /// None: read again.
    type Output = Option<Grant>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Grant>> {
        let this = &mut *self;
        let Some(number) = this.number else {
            return Poll::Ready(None);
        };
        let (key, waker) = (&this.key, context.waker());
        let engine = &this.caller.node.engine;
        let grant = match engine.fill_turn(this.partition, key, number, &this.ask, waker) {
            Turn::Waits => return Poll::Pending,
            Turn::Given(token) => {
                Some(Grant::new(&this.caller, this.partition, key.clone(), token))
            }
            Turn::Over => None,
        };
        this.number = None;
        Poll::Ready(grant)
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let node = &self.caller.node;
            let now = engine_now(node.clock.boottime_ns());
            let (partition, key) = (self.partition, &self.key);
            node.engine
                .leave_fill(partition, key, number, self.has_run_out, now);
        }
    }
}
