//! WatchInvalidations: what a client's near cache may no longer hold.
//!
//! First where each partition stands, then every invalidation, and every partition that is
//! taken or left. Of partitions that were asked for by name a watcher is told also where
//! they are not served here. A watcher that is too slow is not told what it missed: its
//! stream ends, and it begins anew.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use prost::Message;
use shoal_protos::v1;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use crate::failure::Failure;
use crate::near::{Update, Watch, response};
use crate::node::{Node, stopped};
use crate::service::watching::{Watching, updates};
use crate::service::{Outcome, Responses, malformed};

/// One of a bounded number of watchers.
struct Watcher {
    place: Place,
    stopping: watch::Receiver<bool>,
    watch: Watch,
    /// Positions that were told.
    told: usize,
    /// None: all partitions.
    wanted: Option<HashSet<u32>>,
}

/// Among the watchers of a node.
struct Place(Arc<Node>);

pub(super) fn handle(node: &Arc<Node>, request: &Bytes) -> Result<Responses, Failure> {
    let asked = v1::WatchInvalidationsRequest::decode(request.clone())
        .map_err(|_| malformed("WatchInvalidationsRequest"))?;
    let wanted: HashSet<u32> = asked.partitions.iter().map(|it| it.partition).collect();
    if let Some(partition) = wanted.iter().find(|&&it| it >= node.partition_count) {
        return Err(Failure::Malformed(format!(
            "partition {partition} is none of the {} that there are: leave partitions out for all",
            node.partition_count
        )));
    }
    let place = Place::take(node)?;
    let watcher = Watcher {
        stopping: node.stopping.subscribe(),
        watch: node.near.watch(),
        told: 0,
        wanted: (!wanted.is_empty()).then_some(wanted),
        place,
    };
    Ok(updates(watcher))
}

impl Watching for Watcher {
    async fn next(&mut self) -> Outcome {
        if let Some(position) = self.next_position() {
            return Ok(position);
        }
        let near = &self.place.0.near;
        loop {
            let update = tokio::select! {
                biased;
                () = stopped(&mut self.stopping) => return Err(Failure::Stopping),
                update = self.watch.updates.recv() => update,
            };
            match update {
                Ok(update) if self.wants(update.partition) => {
                    let Update {
                        message,
                        is_invalidation,
                        ..
                    } = update;
                    if is_invalidation {
                        near.sent();
                    }
                    return Ok(message);
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => {
                    near.lost();
                    return Err(Failure::TooManyRequests {
                        what: "invalidations that this watcher has not taken",
                    });
                }
                Err(RecvError::Closed) => return Err(Failure::Stopping),
            }
        }
    }
}

impl Watcher {
    /// Where the next partition stands that it is to be told of at first.
    fn next_position(&mut self) -> Option<Bytes> {
        while let Some(&(epoch, sequence)) = self.watch.positions.get(self.told) {
            let partition = self.told as u32;
            self.told += 1;
            let is_told = match &self.wanted {
                Some(wanted) => wanted.contains(&partition),
                None => epoch != 0,
            };
            if is_told {
                let position = response(partition, epoch, sequence);
                return Some(position.encode_to_vec().into());
            }
        }
        // That was all.
        self.watch.positions = Vec::new();
        None
    }

    fn wants(&self, partition: u32) -> bool {
        let wanted = self.wanted.as_ref();
        wanted.is_none_or(|wanted| wanted.contains(&partition))
    }
}

impl Place {
    fn take(node: &Arc<Node>) -> Result<Place, Failure> {
        let watchers = node.near.watchers.fetch_add(1, Ordering::Relaxed);
        let place = Place(node.clone());
        if watchers >= node.limits.watchers_max {
            return Err(Failure::TooManyRequests {
                what: "watchers of invalidations",
            });
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.near.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}
