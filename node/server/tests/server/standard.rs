//! Health and reflection, as grpcurl and Kubernetes use them.

use std::time::Duration;

use tokio_stream::StreamExt;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb::{v1, v1alpha};

use crate::support::{Node, channel};

fn about(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.into(),
    }
}

const SERVING: i32 = 1;
const NOT_SERVING: i32 = 2;

#[tokio::test]
async fn health_tells_live_from_ready() {
    let node = Node::alone().await;
    let mut health = HealthClient::new(channel(&node.address).await);
    let status = |answer: tonic::Response<HealthCheckResponse>| answer.into_inner().status;
    assert_eq!(status(health.check(about("")).await.unwrap()), SERVING);
    let cache = "shoal.v1.Cache";
    assert_eq!(
        status(health.check(about(cache)).await.unwrap()),
        NOT_SERVING
    );
    let mut watch = health.watch(about(cache)).await.unwrap().into_inner();
    assert_eq!(watch.next().await.unwrap().unwrap().status, NOT_SERVING);
    node.plane.set_ready(true).await;
    assert_eq!(watch.next().await.unwrap().unwrap().status, SERVING);
    assert_eq!(status(health.check(about(cache)).await.unwrap()), SERVING);
    node.plane.set_ready(false).await;
    assert_eq!(watch.next().await.unwrap().unwrap().status, NOT_SERVING);
    let unknown = health.check(about("no.such.Service")).await.unwrap_err();
    assert_eq!(unknown.code(), tonic::Code::NotFound);
}

#[tokio::test]
async fn whoever_watches_does_not_hold_up_a_stop() {
    let node = Node::alone().await;
    let mut health = HealthClient::new(channel(&node.address).await);
    let mut watch = health
        .watch(about("shoal.v1.Cache"))
        .await
        .unwrap()
        .into_inner();
    watch.next().await.unwrap().unwrap();
    let stop = node.plane.stop(Duration::from_secs(3600));
    tokio::time::timeout(Duration::from_secs(20), stop)
        .await
        .unwrap();
}

#[tokio::test]
async fn reflection_lists_what_is_served_and_nothing_else() {
    use v1::server_reflection_client::ServerReflectionClient;
    use v1::server_reflection_request::MessageRequest::{FileContainingSymbol, ListServices};
    use v1::server_reflection_response::MessageResponse;
    let node = Node::alone().await;
    let mut client = ServerReflectionClient::new(channel(&node.address).await);
    let asked = [
        ListServices(String::new()),
        FileContainingSymbol("shoal.v1.Cache".into()),
        FileContainingSymbol("shoal.v1.Topology".into()),
    ]
    .map(|message_request| v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message_request),
    });
    let answers = client
        .server_reflection_info(tokio_stream::iter(asked))
        .await
        .unwrap();
    let answers: Vec<MessageResponse> = answers
        .into_inner()
        .map(|answer| answer.unwrap().message_response.unwrap())
        .collect()
        .await;
    let MessageResponse::ListServicesResponse(list) = &answers[0] else {
        panic!("{answers:?}")
    };
    let mut names: Vec<&str> = list
        .service
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    names.sort_unstable();
    assert!(names.contains(&"shoal.v1.Cache") && names.contains(&"grpc.health.v1.Health"));
    assert!(!names.contains(&"shoal.v1.Admin"));
    for answer in &answers[1..] {
        let MessageResponse::FileDescriptorResponse(files) = answer else {
            panic!("{answer:?}")
        };
        assert!(!files.file_descriptor_proto.is_empty());
    }
}

#[tokio::test]
async fn the_older_reflection_is_served_too() {
    use v1alpha::server_reflection_client::ServerReflectionClient;
    use v1alpha::server_reflection_request::MessageRequest::ListServices;
    use v1alpha::server_reflection_response::MessageResponse;
    let node = Node::alone().await;
    let mut client = ServerReflectionClient::new(channel(&node.address).await);
    let asked = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(ListServices(String::new())),
    };
    let answers = client
        .server_reflection_info(tokio_stream::once(asked))
        .await
        .unwrap();
    let answer = answers
        .into_inner()
        .next()
        .await
        .unwrap()
        .unwrap()
        .message_response
        .unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else {
        panic!("{answer:?}")
    };
    assert!(
        list.service
            .iter()
            .any(|service| service.name == "shoal.v1.Cache")
    );
}
