//! Near caches: reads that are granted, while others write and the partition goes.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use prost::Message;
use shoal_protos::v1;
use shuttle::thread;

use super::{SECOND_NS, hand, settings};
use crate::data_plane::DataPlane;
use crate::near::Watch;
use crate::node::Node;
use crate::service::{CacheService, Method};

const KEY: &[u8] = b"key";
/// Instead of a write's number: it is held no more.
const DROPPED: u64 = u64::MAX;

/// A read that was granted, and what its caller knew when it sent it.
struct Held {
    /// Of the write that it found.
    seq: u64,
    position: (u64, u64),
    watch: Watch,
}

/// What callers hold.
type Holding = Arc<std::sync::Mutex<Vec<Held>>>;

fn call<R: Message + Default>(
    node: &Arc<Node>,
    method: Method,
    request: &impl Message,
) -> Option<R> {
    let request = Bytes::from(request.encode_to_vec());
    let mut out = BytesMut::new();
    let answered = CacheService::new(node.clone()).handle(method, request, None, &mut out);
    answered.ok()?;
    Some(R::decode(out.freeze()).unwrap())
}

/// One that serves its partition, where the key is hot.
fn plane() -> DataPlane {
    let plane = DataPlane::with_clock(settings(), hand()).unwrap();
    plane.set_lease_deadline(2 * SECOND_NS);
    plane.open_partition(0, 1, "i-c").unwrap();
    plane.node.near.make_hot(KEY);
    plane
}

/// The number of the write, if it is acknowledged.
fn write(node: &Arc<Node>) -> Option<u64> {
    let request = v1::SetRequest {
        key: Bytes::from_static(KEY),
        value: Bytes::from_static(b"v"),
        ..Default::default()
    };
    let response: v1::SetResponse = call(node, Method::Set, &request)?;
    response.version.map(|version| version.seq)
}

/// Read as a client with a near cache does, and hold what may be held.
fn read(node: &Arc<Node>, holding: &Holding) {
    let watch = node.near.watch();
    let position = watch.positions[0];
    let request = v1::GetRequest {
        key: Bytes::from_static(KEY),
        ..Default::default()
    };
    let response: Option<v1::GetResponse> = call(node, Method::Get, &request);
    let Some(response) = response.filter(|response| response.near_ms > 0) else {
        return;
    };
    // Whoever does not know where the partition stands holds nothing of it.
    if position.0 != 0 {
        let seq = response.version.unwrap().seq;
        holding.lock().unwrap().push(Held {
            seq,
            position,
            watch,
        });
    }
}

/// Whether there is an update for it that says to drop what is held.
fn is_told(held: &mut Held) -> bool {
    let updates = std::iter::from_fn(|| held.watch.updates.try_recv().ok());
    let mut updates = updates.map(|update| {
        let told = v1::WatchInvalidationsResponse::decode(update.message).unwrap();
        (told.epoch, told.sequence)
    });
    updates.any(|told| told != held.position)
}

/// When a write is acknowledged, whoever holds something older was told.
pub fn no_write_is_acknowledged_before_holders_are_told() {
    let node = plane().node.clone();
    let first = write(&node).unwrap();
    let holding = Holding::default();
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (node, holding) = (node.clone(), holding.clone());
            thread::spawn(move || (0..2).for_each(|_| read(&node, &holding)))
        })
        .collect();
    let writers: Vec<_> = (0..2)
        .map(|_| {
            let (node, holding) = (node.clone(), holding.clone());
            thread::spawn(move || {
                let seq = write(&node).unwrap();
                for held in holding.lock().unwrap().iter_mut() {
                    if held.seq < seq {
                        assert!(is_told(held), "write {seq} was not told");
                        held.seq = DROPPED;
                    }
                }
                seq
            })
        })
        .collect();
    readers.into_iter().for_each(|it| it.join().unwrap());
    let last = writers.into_iter().map(|it| it.join().unwrap()).max();
    assert!(last > Some(first));
    // What was read before and came to its caller later.
    for held in holding.lock().unwrap().iter_mut() {
        assert!(
            Some(held.seq) >= last || is_told(held),
            "it is held for good"
        );
    }
}

/// When a frozen partition may be served elsewhere, whoever holds something of it was told.
pub fn a_partition_that_goes_leaves_nothing_held() {
    let plane = plane();
    let node = plane.node.clone();
    write(&node).unwrap();
    let holding = Holding::default();
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (node, holding) = (node.clone(), holding.clone());
            thread::spawn(move || read(&node, &holding))
        })
        .collect();
    plane.freeze_partition(0).unwrap();
    for held in holding.lock().unwrap().iter_mut() {
        assert!(
            is_told(held),
            "it may be held when another serves the partition"
        );
        held.seq = DROPPED;
    }
    plane.close_partition(0).unwrap();
    readers.into_iter().for_each(|it| it.join().unwrap());
    for held in holding.lock().unwrap().iter_mut() {
        assert!(held.seq == DROPPED || is_told(held), "it is held for good");
    }
}
