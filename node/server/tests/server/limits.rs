//! The transport's bounds, and what happens at each.

use std::time::Duration;

use bytes::Bytes;
use shoal_protos::v1;
use shoal_server::Limits;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tonic::Code;

use crate::support::{Node, Said, call_raw, eventually, get, said, set, stream_raw};

const KEY: Bytes = Bytes::from_static(b"product:42");

#[tokio::test]
async fn one_connection_too_many_is_closed_at_once() {
    let node = Node::alone_with(Limits {
        connections_max: 1,
        ..Limits::default()
    })
    .await;
    let mut second = TcpStream::connect(&node.address).await.unwrap();
    let mut nothing = [0; 1];
    let read = tokio::time::timeout(Duration::from_secs(10), second.read(&mut nothing)).await;
    assert!(matches!(read.unwrap(), Ok(0) | Err(_)));
    node.client.clone().get(get(&KEY)).await.unwrap();
    let Node { plane, client, .. } = node;
    drop(client);
    eventually("the first connection is gone", || {
        plane.stats().connections == 0
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let limits = Limits {
        handshake_timeout: Duration::from_millis(50),
        ..Limits::default()
    };
    let node = Node::alone_with(limits).await;
    let mut silent = TcpStream::connect(&node.address).await.unwrap();
    let mut heard = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), silent.read_to_end(&mut heard)).await;
    assert!(read.is_ok(), "it is still open");
}

#[tokio::test]
async fn an_idle_connection_is_asked_to_go_and_its_client_comes_back() {
    let limits = Limits {
        handshake_timeout: Duration::from_millis(50),
        idle_timeout: Duration::from_millis(50),
        ..Limits::default()
    };
    let mut node = Node::alone_with(limits).await;
    node.client.get(get(&KEY)).await.unwrap();
    let plane = node.plane.clone();
    eventually("the connection is gone", || plane.stats().connections == 0).await;
    node.client.get(get(&KEY)).await.unwrap();
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused_and_others_go_on() {
    let limits = Limits {
        message_bytes_max: 2 << 20,
        ..Limits::default()
    };
    let mut node = Node::alone_with(limits).await;
    let long = v1::SetRequest {
        value: vec![0; 4 << 20].into(),
        ..set(&KEY, "")
    };
    let status = node.client.set(long).await.unwrap_err();
    assert_eq!(
        said(&status),
        Said(Code::InvalidArgument, "VALUE_TOO_LARGE", "NOT_APPLIED")
    );
    let many = vec![Bytes::from(vec![0; 100_000]); 40];
    let long = v1::MGetRequest {
        keys: many,
        ..Default::default()
    };
    let status = node.client.m_get(long).await.unwrap_err();
    assert_eq!(
        said(&status),
        Said(Code::InvalidArgument, "BATCH_TOO_LARGE", "NOT_APPLIED")
    );
    node.client.set(set(&KEY, "v")).await.unwrap();
}

#[tokio::test]
async fn a_broken_frame_ends_its_stream_after_what_came_before() {
    let limits = Limits {
        message_bytes_max: 2 << 20,
        ..Limits::default()
    };
    let node = Node::alone_with(limits).await;
    let long = Bytes::from(vec![0; 4 << 20]);
    let answers = stream_raw(
        &node.address,
        "/shoal.v1.Cache/Execute",
        vec![Bytes::new(), long],
    )
    .await;
    assert_eq!(answers.len(), 2);
    assert!(answers[0].is_ok());
    assert_eq!(answers[1].as_ref().unwrap_err().code(), Code::OutOfRange);
}

#[tokio::test]
async fn many_requests_at_once_are_all_answered() {
    let node = Node::alone().await;
    let value = Bytes::from(vec![7; 20_000]);
    let set = v1::SetRequest {
        value: value.clone(),
        ..set(&KEY, "")
    };
    node.client.clone().set(set).await.unwrap();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..3000 {
        let mut client = node.client.clone();
        running.spawn(async move { client.get(get(&KEY)).await.unwrap().into_inner().value });
    }
    while let Some(read) = running.join_next().await {
        assert_eq!(read.unwrap(), value);
    }
}

#[tokio::test]
async fn unknown_methods_are_unimplemented() {
    let node = Node::alone().await;
    for path in [
        "/shoal.v1.Cache/Nothing",
        "/shoal.v1.Admin/GetClusterStatus",
    ] {
        let status = call_raw(&node.address, path, b"").await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented, "{path}");
    }
}

#[tokio::test]
async fn a_compressed_request_is_told_to_come_uncompressed() {
    let node = Node::alone().await;
    let mut request = tonic::Request::new(get(&KEY));
    request
        .metadata_mut()
        .insert("grpc-encoding", "gzip".parse().unwrap());
    let status = node.client.clone().get(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert_eq!(
        status.metadata().get("grpc-accept-encoding").unwrap(),
        "identity"
    );
}
