//! One primary that is followed: a task that keeps a stream to it for as long as anything
//! is followed there.
//!
//! A stream that ends, or cannot be had, is tried again after a pause that grows, with
//! jitter. The connection is its own, so that what is replicated and what is forwarded do
//! not wait for each other.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use shoal_protos::replication::v1;
use shoal_protos::replication::v1::replication_client::ReplicationClient;
use shoal_replication::{Next, Sink};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};
use tonic::{Extensions, Request};

use crate::clock::engine_now;
use crate::forward::link::Link;
use crate::introspection::seed;
use crate::node::{Node, stopped};
use crate::settings::Limits;

/// See the module.
pub(super) struct Peer {
    address: String,
    followed: Mutex<Followed>,
    /// The sink has something to say.
    speaks: AtomicWaker,
    /// Something is followed here that was not, or no longer.
    changed: Notify,
}

struct Followed {
    sink: Sink,
    /// As the sink says it.
    cluster: String,
    /// Partitions, and the epoch of each.
    epochs: BTreeMap<u32, u64>,
    /// Those of which the primary said that it does not serve them, and nothing since.
    given_up: BTreeSet<u32>,
}

impl Peer {
    pub(super) fn new(node: &Node, address: &str) -> Peer {
        let cluster = node.topology.current().cluster.clone();
        Peer {
            address: address.to_owned(),
            followed: Mutex::new(Followed {
                sink: sink(node, &cluster),
                cluster,
                epochs: BTreeMap::new(),
                given_up: BTreeSet::new(),
            }),
            speaks: AtomicWaker::new(),
            changed: Notify::new(),
        }
    }

    pub(super) fn follow(&self, partition: u32, epoch: u64) {
        let mut followed = self.followed.lock();
        followed.epochs.insert(partition, epoch);
        followed.given_up.remove(&partition);
        followed.sink.follow(partition, epoch);
        drop(followed);
        self.speaks.wake();
        self.changed.notify_one();
    }

    pub(super) fn unfollow(&self, partition: u32) {
        let mut followed = self.followed.lock();
        followed.epochs.remove(&partition);
        followed.given_up.remove(&partition);
        followed.sink.unfollow(partition);
        drop(followed);
        self.speaks.wake();
        self.changed.notify_one();
    }

    pub(super) fn wake(&self) {
        self.speaks.wake();
    }

    /// Whether the primary has said that it serves the partition no longer, or not yet.
    pub(super) fn has_given_up(&self, partition: u32) -> bool {
        self.followed.lock().given_up.contains(&partition)
    }

    fn receive(&self, node: &Node, response: v1::FollowResponse) {
        let now = engine_now(node.clock.boottime_ns());
        let mut followed = self.followed.lock();
        for batch in &response.batches {
            if followed.given_up.remove(&batch.partition) {
                node.ownership.wake(batch.partition);
            }
        }
        for refused in &response.refused {
            // What it refuses of one that it serves it goes on to serve with the next batch.
            if followed.epochs.contains_key(&refused.partition) {
                followed.given_up.insert(refused.partition);
            }
        }
        followed.sink.receive(&node.engine, response, now);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.followed.lock().epochs.is_empty()
    }

    /// A new stream stands. The cluster's name may have been learnt meanwhile.
    fn connected(&self, node: &Node) {
        let cluster = node.topology.current().cluster.clone();
        let followed = &mut *self.followed.lock();
        if followed.cluster != cluster {
            followed.sink = sink(node, &cluster);
            followed.cluster = cluster;
            for (&partition, &epoch) in &followed.epochs {
                followed.sink.follow(partition, epoch);
            }
        }
        followed.sink.connected();
    }
}

fn sink(node: &Node, cluster: &str) -> Sink {
    let hub = node.replication.hub.clone();
    Sink::new(hub, &node.id, cluster, Box::new(fresh_id))
}

/// The id of a copy that begins anew: it begins as the old one, which names the process.
fn fresh_id(old: &str) -> String {
    let process = old.split_once('-').map_or(old, |(process, _)| process);
    format!("{process}-{:016x}", seed())
}

/// Follows until nothing is followed here, or the node stops.
pub(super) async fn run(node: Arc<Node>, peer: Arc<Peer>) {
    let mut stopping = node.stopping.subscribe();
    let mut pause = Pause::new(&node.limits);
    while !node.replication.outbound.is_over(&peer) {
        let followed = tokio::select! {
            () = stopped(&mut stopping) => return,
            followed = stream(&node, &peer) => followed,
        };
        if followed {
            pause.reset();
        }
        let mut slept = std::pin::pin!(tokio::time::sleep(pause.next()));
        loop {
            tokio::select! {
                () = stopped(&mut stopping) => return,
                () = &mut slept => break,
                () = peer.changed.notified() => {
                    if node.replication.outbound.is_over(&peer) {
                        return;
                    }
                }
            }
        }
    }
}

/// One stream, from connecting to its end. Returns whether anything came on it.
async fn stream(node: &Arc<Node>, peer: &Arc<Peer>) -> bool {
    let limits = &node.limits;
    let link = Link::new(peer.address.clone(), limits.clone(), node.tls.clone());
    let (Ok(call), Some(origin)) = (link.call().await, link.origin()) else {
        return false;
    };
    peer.connected(node);
    let requests = Requests {
        node: node.clone(),
        peer: peer.clone(),
        timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
    };
    let mut client = ReplicationClient::with_origin(call, origin)
        .max_decoding_message_size(limits.message_bytes_max + 4 * limits.follow_bytes);
    let requests = Request::from_parts(node.peers.introduced(), Extensions::new(), requests);
    let begun = tokio::time::timeout(limits.connect_timeout, client.follow(requests)).await;
    let Ok(Ok(responses)) = begun else {
        return false;
    };
    let mut responses = responses.into_inner();
    let mut came = false;
    while let Ok(Some(response)) = responses.message().await {
        came = true;
        peer.receive(node, response);
        node.replication.applied.notify_waiters();
        peer.speaks.wake();
    }
    came
}

/// What the sink says, whenever the stream can take it. Ends when nothing is followed.
struct Requests {
    node: Arc<Node>,
    peer: Arc<Peer>,
    timer: Pin<Box<Sleep>>,
}

impl Stream for Requests {
    type Item = v1::FollowRequest;

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<v1::FollowRequest>> {
        loop {
            self.peer.speaks.register(cx.waker());
            let now = engine_now(self.node.clock.boottime_ns());
            let next = {
                let mut followed = self.peer.followed.lock();
                let next = followed.sink.next(&self.node.engine, now);
                if next == Next::Idle && followed.sink.is_empty() {
                    return Poll::Ready(None);
                }
                next
            };
            match next {
                Next::Send(message) => return Poll::Ready(Some(message)),
                Next::Idle => return Poll::Pending,
                Next::Later(at_ms) => {
                    let pause = Duration::from_millis(at_ms.saturating_sub(now.0).max(1));
                    self.timer.as_mut().reset(Instant::now() + pause);
                    if self.timer.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

/// Pauses between attempts: each twice the one before, up to a bound, less up to half.
struct Pause {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Pause {
    fn new(limits: &Limits) -> Pause {
        Pause {
            min: limits.follow_pause_min,
            max: limits.follow_pause_max,
            next: limits.follow_pause_min,
        }
    }

    fn reset(&mut self) {
        self.next = self.min;
    }

    fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (2 * pause).min(self.max);
        let part = (seed() % 512) as u32;
        pause - pause * part / 1024
    }
}

#[cfg(test)]
mod tests {
    use super::Pause;
    use crate::settings::Limits;

    #[test]
    fn pauses_grow_to_a_bound_and_begin_anew() {
        let limits = Limits::default();
        let mut pause = Pause::new(&limits);
        for _ in 0..20 {
            let next = pause.next();
            assert!(next > limits.follow_pause_min / 2 - limits.follow_pause_min / 512);
            assert!(next <= limits.follow_pause_max);
        }
        assert!(pause.next() >= limits.follow_pause_max / 2);
        pause.reset();
        assert!(pause.next() <= limits.follow_pause_min);
    }
}
