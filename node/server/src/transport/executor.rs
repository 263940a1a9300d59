//! Runs a request where it arrives, and makes it a task only if it has to wait.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

use hyper::rt::Executor;

/// Most requests are answered in one poll, on the connection's own task, which saves
/// a task each. One that is not ready is polled again, as a task, so that nothing
/// that happened in between is lost.
#[derive(Clone, Copy, Debug)]
pub(super) struct HereFirst;

impl<F> Executor<F> for HereFirst
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, request: F) {
        let mut request: Pin<Box<F>> = Box::pin(request);
        let polled = request
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        if polled.is_pending() {
            tokio::spawn(request);
        }
    }
}
