//! WatchTopology: who owns what, now and whenever it changes.
//!
//! The first update is complete; those after it tell what changed since the one before. A
//! slow watcher misses what was replaced meanwhile and gets the newest, complete again;
//! revisions only rise.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use prost::Message;
use shoal_protos::v1;
use tokio::sync::watch;

use crate::failure::Failure;
use crate::node::{Node, stopped};
use crate::service::watching::{Watching, updates};
use crate::service::{Outcome, Responses, malformed};
use crate::topology::Revision;

/// One of a bounded number of watchers.
struct Watcher {
    node: Arc<Node>,
    revisions: watch::Receiver<Arc<Revision>>,
    stopping: watch::Receiver<bool>,
    known: u64,
    /// What this very watch was told last: of another's word there may be more to know.
    told: Option<u64>,
}

pub(super) fn handle(node: &Arc<Node>, request: &Bytes) -> Result<Responses, Failure> {
    let asked = v1::WatchTopologyRequest::decode(request.clone())
        .map_err(|_| malformed("WatchTopologyRequest"))?;
    let mut watcher = Watcher::new(node.clone(), asked.known_revision)?;
    watcher.revisions.mark_changed();
    Ok(updates(watcher))
}

impl Watcher {
    fn new(node: Arc<Node>, known: u64) -> Result<Watcher, Failure> {
        let watchers = node.watchers.fetch_add(1, Ordering::Relaxed);
        let watcher = Watcher {
            revisions: node.topology.subscribe(),
            stopping: node.stopping.subscribe(),
            node,
            known,
            told: None,
        };
        if watchers >= watcher.node.limits.watchers_max {
            return Err(Failure::TooManyRequests {
                what: "topology watchers",
            });
        }
        Ok(watcher)
    }
}

impl Watching for Watcher {
    /// The next revision above what the watcher knows.
    async fn next(&mut self) -> Outcome {
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut self.stopping) => return Err(Failure::Stopping),
                changed = self.revisions.changed() => changed.map_err(|_| Failure::Stopping)?,
            }
            let revision = self.revisions.borrow_and_update().clone();
            if revision.number > self.known {
                self.known = revision.number;
                let told = self.told.replace(revision.number);
                return Ok(match &revision.change {
                    Some(change) if told == Some(change.since) => change.update.clone(),
                    _ => revision.update.clone(),
                });
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.node.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}
