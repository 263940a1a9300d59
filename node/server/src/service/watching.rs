//! What watchers are told: updates until the first failure, which ends the stream.

use futures_util::stream::unfold;

use crate::service::{Outcome, Responses};

/// Whoever knows what to tell next.
pub(super) trait Watching: Send + 'static {
    /// Waits for it.
    fn next(&mut self) -> impl Future<Output = Outcome> + Send;
}

pub(super) fn updates(watcher: impl Watching) -> Responses {
    Box::pin(unfold(Some(watcher), |watcher| async move {
        let mut watcher = watcher?;
        match watcher.next().await {
            Ok(update) => Some((Ok(update), Some(watcher))),
            Err(failure) => Some((Err(failure), None)),
        }
    }))
}
