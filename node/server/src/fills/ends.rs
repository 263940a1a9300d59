//! The background task that passes leases on when their time is over: one timer, set for
//! the next that ends, and set anew where an earlier one is given.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::clock::engine_now;
use crate::node::Node;

/// Between two looks at the time: those that end together are passed on together.
const PAUSE: Duration = Duration::from_millis(1);

/// Runs until it is dropped.
pub(crate) async fn end_in_time(node: Arc<Node>) {
    let mut timer = pin!(sleep(Duration::ZERO));
    let mut set_for = None;
    loop {
        poll_fn(|cx| {
            let next = node.engine.next_fill_end(cx.waker());
            if next != set_for {
                set_for = next;
                if let Some(end) = next {
                    let now = engine_now(node.clock.boottime_ns());
                    let left = Duration::from_millis(end.0.saturating_sub(now.0));
                    timer.as_mut().reset(Instant::now() + left.max(PAUSE));
                }
            }
            if set_for.is_none() {
                return Poll::Pending;
            }
            ready!(timer.as_mut().poll(cx));
            Poll::Ready(())
        })
        .await;
        set_for = None;
        node.engine.end_fills(engine_now(node.clock.boottime_ns()));
    }
}
