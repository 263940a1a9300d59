//! The fence over the wire: past the deadline a node refuses to act as primary.
//! (That the fence may fall between evaluation and answer is tested in `node`.)

use bytes::Bytes;
use shoal_protos::v1;
use shoal_server::boottime_ns;
use tonic::Code::Unavailable;

use crate::support::{Node, Said, get, said, set};

const KEY: Bytes = Bytes::from_static(b"product:42");
const SECOND: u64 = 1_000_000_000;

fn refused() -> Said {
    Said(Unavailable, "LEASE_EXPIRED", "NOT_APPLIED")
}

#[tokio::test]
async fn past_the_deadline_writes_and_primary_reads_are_refused() {
    let mut node = Node::alone().await;
    node.client.set(set(&KEY, "v")).await.unwrap();
    node.plane.set_lease_deadline(boottime_ns() - 1);
    let client = &mut node.client;
    assert_eq!(said(&client.get(get(&KEY)).await.unwrap_err()), refused());
    assert_eq!(
        said(&client.set(set(&KEY, "w")).await.unwrap_err()),
        refused()
    );
    let del = v1::DelRequest {
        keys: vec![KEY],
        ..Default::default()
    };
    assert_eq!(said(&client.del(del).await.unwrap_err()), refused());
    let incr = v1::IncrRequest {
        key: KEY,
        ..Default::default()
    };
    assert_eq!(said(&client.incr(incr).await.unwrap_err()), refused());
    let touch = v1::TouchRequest {
        key: KEY,
        ..Default::default()
    };
    assert_eq!(said(&client.touch(touch).await.unwrap_err()), refused());
    let mget = v1::MGetRequest {
        keys: vec![KEY],
        ..Default::default()
    };
    let entry = client
        .m_get(mget)
        .await
        .unwrap()
        .into_inner()
        .entries
        .remove(0);
    assert_eq!(entry.error.unwrap().reason, "LEASE_EXPIRED");

    node.plane.set_lease_deadline(boottime_ns() + 3600 * SECOND);
    let hit = node.client.get(get(&KEY)).await.unwrap().into_inner();
    assert_eq!(
        &hit.value[..],
        b"v",
        "a lease that came back brings its data back"
    );
}

#[tokio::test]
async fn past_the_deadline_any_is_answered_as_stale() {
    let mut node = Node::alone().await;
    let version = node
        .client
        .set(set(&KEY, "v"))
        .await
        .unwrap()
        .into_inner()
        .version;
    node.plane.set_lease_deadline(0);
    let any = v1::GetRequest {
        read: v1::ReadMode::Any as i32,
        ..get(&KEY)
    };
    let stale = node.client.get(any.clone()).await.unwrap().into_inner();
    assert_eq!(
        (stale.status(), &stale.value[..]),
        (v1::Status::Stale, &b"v"[..])
    );
    assert!(stale.maybe_stale);
    let miss = v1::GetRequest {
        key: Bytes::from_static(b"other"),
        ..any.clone()
    };
    assert_eq!(
        node.client.get(miss).await.unwrap().into_inner().status(),
        v1::Status::Miss
    );
    let at_least = |at_least| v1::GetRequest {
        at_least,
        ..any.clone()
    };
    let reached = node.client.get(at_least(version)).await.unwrap();
    assert_eq!(reached.into_inner().status(), v1::Status::Stale);
    let beyond = version.map(|version| v1::Version {
        seq: version.seq + 1,
        ..version
    });
    assert_eq!(
        said(&node.client.get(at_least(beyond)).await.unwrap_err()),
        refused()
    );
    assert_eq!(node.plane.stats().lease_remaining_ms, 0);
}
