//! MGet, MSet and Execute on one node: many operations, each for itself.

use crate::support::{Node, Said, call_raw, get, said, set, stream_raw};
use bytes::Bytes;
use prost::Message;
use shoal_protos::v1;
use shoal_protos::v1::{operation::Operation, result};
use shoal_server::Limits;
use tokio_stream::StreamExt;
use tonic::Code::InvalidArgument;

const EXECUTE: &str = "/shoal.v1.Cache/Execute";

fn key(n: usize) -> Bytes {
    Bytes::from(format!("key:{n}"))
}

fn operation(operation: Operation) -> v1::Operation {
    v1::Operation {
        operation: Some(operation),
    }
}

#[tokio::test]
async fn mset_and_mget_keep_the_order_asked() {
    let mut node = Node::alone().await;
    let mut entries: Vec<v1::SetRequest> = (0..100).map(|n| set(&key(n), "v")).collect();
    entries[7].key = Bytes::new();
    entries[8].ttl_ms = -1;
    let request = v1::MSetRequest {
        entries,
        ..Default::default()
    };
    let results = node
        .client
        .m_set(request)
        .await
        .unwrap()
        .into_inner()
        .results;
    assert_eq!(results.len(), 100);
    for (n, result) in results.iter().enumerate() {
        let reason = result.error.as_ref().map(|error| error.reason.as_str());
        match n {
            7 => assert_eq!(reason, Some("KEY_EMPTY")),
            8 => assert_eq!(reason, Some("TTL_NEGATIVE")),
            _ => assert!(result.applied && reason.is_none()),
        }
    }

    let keys: Vec<Bytes> = (0..101).rev().map(key).chain([Bytes::new()]).collect();
    let request = v1::MGetRequest {
        keys,
        ..Default::default()
    };
    let entries = node
        .client
        .m_get(request)
        .await
        .unwrap()
        .into_inner()
        .entries;
    assert_eq!(entries.len(), 102);
    for (n, entry) in (0..101).rev().zip(&entries) {
        let expected = match n {
            7 | 8 | 100 => v1::Status::Miss,
            _ => v1::Status::Hit,
        };
        assert_eq!(entry.status(), expected, "key {n}");
    }
    assert_eq!(entries[101].status(), v1::Status::Failed);
    let error = entries[101].error.as_ref().unwrap();
    assert_eq!((error.code, error.reason.as_str()), (3, "KEY_EMPTY"));
    assert_eq!(error.metadata["outcome"], "NOT_APPLIED");
}

#[tokio::test]
async fn a_batch_has_a_bound() {
    let mut node = Node::alone_with(Limits {
        batch_max: 10,
        ..Limits::default()
    })
    .await;
    let refused = || Said(InvalidArgument, "BATCH_TOO_LARGE", "NOT_APPLIED");
    let keys: Vec<Bytes> = (0..11).map(key).collect();
    let mget = v1::MGetRequest {
        keys: keys.clone(),
        ..Default::default()
    };
    let status = node.client.m_get(mget).await.unwrap_err();
    assert_eq!(said(&status), refused());
    assert!(
        status.message().contains("11") && status.message().contains("10"),
        "{status:?}"
    );
    let del = v1::DelRequest {
        keys: keys.clone(),
        ..Default::default()
    };
    assert_eq!(said(&node.client.del(del).await.unwrap_err()), refused());
    let entries = keys.iter().map(|key| set(key, "v")).collect();
    let mset = v1::MSetRequest {
        entries,
        ..Default::default()
    };
    assert_eq!(said(&node.client.m_set(mset).await.unwrap_err()), refused());

    let operations = keys
        .iter()
        .map(|key| operation(Operation::Get(get(key))))
        .collect();
    let many = v1::ExecuteRequest {
        id: 9,
        operations,
        ..Default::default()
    };
    let answers = node
        .client
        .execute(tokio_stream::once(many))
        .await
        .unwrap()
        .into_inner();
    let answers: Vec<_> = answers.collect().await;
    let answer = answers[0].as_ref().unwrap();
    assert_eq!(answer.id, 9);
    assert_eq!(answer.error.as_ref().unwrap().reason, "BATCH_TOO_LARGE");
}

#[tokio::test]
async fn an_answer_has_a_bound_and_the_rest_fails_key_by_key() {
    let limits = Limits {
        response_bytes_max: 4000,
        ..Limits::default()
    };
    let mut node = Node::alone_with(limits).await;
    let value = Bytes::from(vec![7; 1500]);
    let entries = (0..5).map(|n| v1::SetRequest {
        value: value.clone(),
        ..set(&key(n), "")
    });
    let mset = v1::MSetRequest {
        entries: entries.collect(),
        ..Default::default()
    };
    node.client.m_set(mset).await.unwrap();
    let mget = v1::MGetRequest {
        keys: (0..5).map(key).collect(),
        ..Default::default()
    };
    let entries = node.client.m_get(mget).await.unwrap().into_inner().entries;
    let statuses: Vec<v1::Status> = entries.iter().map(v1::GetResponse::status).collect();
    use v1::Status::{Failed, Hit};
    assert_eq!(statuses, [Hit, Hit, Hit, Failed, Failed]);
    assert_eq!(entries[4].error.as_ref().unwrap().reason, "BATCH_TOO_LARGE");
}

#[tokio::test]
async fn at_least_stands_for_all_keys_or_none() {
    let mut node = Node::alone().await;
    let versions = vec![v1::Version::default(); 2];
    let keys = (0..2).map(key).collect();
    let mget = v1::MGetRequest {
        keys,
        at_least: versions.clone(),
        ..Default::default()
    };
    assert_eq!(
        node.client
            .m_get(mget)
            .await
            .unwrap()
            .into_inner()
            .entries
            .len(),
        2
    );
    let keys = (0..3).map(key).collect();
    let mget = v1::MGetRequest {
        keys,
        at_least: versions,
        ..Default::default()
    };
    let status = node.client.m_get(mget).await.unwrap_err();
    assert_eq!(
        said(&status),
        Said(InvalidArgument, "MALFORMED_REQUEST", "NOT_APPLIED")
    );
}

#[tokio::test]
async fn execute_applies_operations_of_a_partition_in_order() {
    let mut node = Node::alone().await;
    let counter = key(0);
    let incr = || {
        let asked = v1::IncrRequest {
            key: counter.clone(),
            ..Default::default()
        };
        operation(Operation::Incr(asked))
    };
    let del = v1::DelRequest {
        keys: vec![counter.clone(), key(1)],
        ..Default::default()
    };
    let touch = v1::TouchRequest {
        key: counter.clone(),
        ttl_ms: 90_000,
        ..Default::default()
    };
    let first = v1::ExecuteRequest {
        id: 41,
        operations: vec![
            incr(),
            incr(),
            operation(Operation::Get(get(&counter))),
            operation(Operation::Del(del)),
            operation(Operation::Get(get(&counter))),
            operation(Operation::Set(set(&counter, "8"))),
            operation(Operation::Touch(touch)),
            incr(),
            v1::Operation { operation: None },
            operation(Operation::Get(get(&Bytes::new()))),
        ],
        ..Default::default()
    };
    let second = v1::ExecuteRequest {
        id: 42,
        operations: vec![incr()],
        ..Default::default()
    };
    let answers = node
        .client
        .execute(tokio_stream::iter([first, second]))
        .await
        .unwrap();
    let answers: Vec<v1::ExecuteResponse> =
        answers.into_inner().map(Result::unwrap).collect().await;
    assert_eq!(
        answers.iter().map(|answer| answer.id).collect::<Vec<_>>(),
        [41, 42]
    );
    let told: Vec<String> = answers
        .iter()
        .flat_map(|answer| &answer.results)
        .map(|result| match result.result.as_ref().unwrap() {
            result::Result::Get(get) => {
                format!("{:?} {}", get.status(), String::from_utf8_lossy(&get.value))
            }
            result::Result::Set(set) => format!("set {}", set.applied),
            result::Result::Del(del) => format!("del {} of {}", del.deleted, del.versions.len()),
            result::Result::Incr(incr) => format!("incr {}", incr.value),
            result::Result::Touch(touch) => format!("touch {}", touch.applied),
            result::Result::Error(error) => error.reason.clone(),
            result::Result::ReleaseFill(_) => "released".to_owned(),
        })
        .collect();
    assert_eq!(
        told,
        [
            "incr 1",
            "incr 2",
            "Hit 2",
            "del 1 of 2",
            "Miss ",
            "set true",
            "touch true",
            "incr 9",
            "MALFORMED_REQUEST",
            "KEY_EMPTY",
            "incr 10",
        ]
    );
}

#[tokio::test]
async fn a_malformed_message_does_not_end_its_stream() {
    let node = Node::alone().await;
    let good = |id| {
        let operations = vec![operation(Operation::Get(get(&key(1))))];
        Bytes::from(
            v1::ExecuteRequest {
                id,
                operations,
                ..Default::default()
            }
            .encode_to_vec(),
        )
    };
    let mut truncated = good(2).to_vec();
    truncated.pop();
    let messages = vec![
        good(1),
        truncated.into(),
        Bytes::from_static(b"\xff\xff"),
        good(4),
    ];
    let answers = stream_raw(&node.address, EXECUTE, messages).await;
    let answers: Vec<v1::ExecuteResponse> = answers
        .into_iter()
        .map(|answer| v1::ExecuteResponse::decode(answer.unwrap()).unwrap())
        .collect();
    assert_eq!(answers.len(), 4);
    for n in [0, 3] {
        assert_eq!((answers[n].id, answers[n].results.len()), (n as u64 + 1, 1));
        assert_eq!(answers[n].error, None);
    }
    for n in [1, 2] {
        assert_eq!(answers[n].results.len(), 0);
        assert_eq!(
            answers[n].error.as_ref().unwrap().reason,
            "MALFORMED_REQUEST"
        );
    }
}

#[tokio::test]
async fn malformed_requests_are_refused_whole() {
    let node = Node::alone().await;
    for path in [
        "/shoal.v1.Cache/Get",
        "/shoal.v1.Cache/Set",
        "/shoal.v1.Cache/Del",
        "/shoal.v1.Cache/Incr",
        "/shoal.v1.Cache/MGet",
        "/shoal.v1.Cache/MSet",
        "/shoal.v1.Cache/Touch",
        "/shoal.v1.Cache/InvalidateTag",
    ] {
        let status = call_raw(&node.address, path, b"\x0a\xff")
            .await
            .unwrap_err();
        assert_eq!(
            said(&status),
            Said(InvalidArgument, "MALFORMED_REQUEST", "NOT_APPLIED"),
            "{path}"
        );
    }
}
