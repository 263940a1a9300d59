//! In-process nodes on loopback, and clients for them.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use prost::Message;
use shoal_protos::v1;
use shoal_protos::v1::cache_client::CacheClient;
use shoal_server::slot::partition_of;
use shoal_server::{Clock, DataPlane, Eviction, Limits, Settings, SystemClock, boottime_ns};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

pub(crate) const PARTITIONS: u32 = 16;

pub(crate) type Client = CacheClient<Channel>;

pub(crate) fn settings(id: &str) -> Settings {
    Settings {
        node_id: id.into(),
        listen: "127.0.0.1:0".into(),
        partition_count: PARTITIONS,
        maxmemory_bytes: 64 << 20,
        value_bytes_max: 1 << 20,
        key_bytes_max: 1024,
        eviction: Eviction::S3Fifo,
        hash_seed: 7,
        limits: Limits::default(),
        tls: None,
    }
}

pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) address: String,
    pub(crate) plane: Arc<DataPlane>,
    pub(crate) client: Client,
}

impl Node {
    pub(crate) async fn start(settings: Settings) -> Node {
        Node::start_with_clock(settings, Arc::new(SystemClock)).await
    }

    pub(crate) async fn start_with_clock(settings: Settings, clock: Arc<dyn Clock>) -> Node {
        let id = settings.node_id.clone();
        let plane = Arc::new(DataPlane::with_clock(settings, clock).unwrap());
        let address = plane.start().await.unwrap();
        plane.set_lease_deadline(boottime_ns() + 3_600_000_000_000);
        let client = client(&address).await;
        Node {
            id,
            address,
            plane,
            client,
        }
    }

    /// One node that serves everything.
    pub(crate) async fn alone() -> Node {
        Node::alone_with(Limits::default()).await
    }

    pub(crate) async fn alone_with(limits: Limits) -> Node {
        let node = Node::start(Settings {
            limits,
            ..settings("a")
        })
        .await;
        for partition in 0..PARTITIONS {
            node.plane.open_partition(partition, 1, "c-1").unwrap();
        }
        node
    }

    pub(crate) fn install(&self, topology: &v1::Topology) {
        assert!(
            self.plane
                .install_topology(&topology.encode_to_vec())
                .unwrap()
        );
    }
}

pub(crate) async fn client(address: &str) -> Client {
    CacheClient::new(channel(address).await).max_decoding_message_size(usize::MAX)
}

pub(crate) async fn channel(address: &str) -> Channel {
    Channel::from_shared(format!("http://{address}"))
        .unwrap()
        .connect()
        .await
        .unwrap()
}

/// Two nodes: the first owns the even partitions, the second the odd ones.
pub(crate) struct Pair {
    pub(crate) nodes: [Node; 2],
}

impl Pair {
    pub(crate) async fn start() -> Pair {
        Pair::start_with(Limits::default()).await
    }

    pub(crate) async fn start_with(limits: Limits) -> Pair {
        let a = Node::start(Settings {
            limits: limits.clone(),
            ..settings("a")
        })
        .await;
        let b = Node::start(Settings {
            limits,
            ..settings("b")
        })
        .await;
        let pair = Pair { nodes: [a, b] };
        let owned: Vec<(u64, &str)> = (0..PARTITIONS)
            .map(|p| (1, pair.nodes[(p % 2) as usize].id.as_str()))
            .collect();
        let topology = pair.topology(1, &owned);
        for node in &pair.nodes {
            node.install(&topology);
        }
        for partition in 0..PARTITIONS {
            pair.owner(partition)
                .plane
                .open_partition(partition, 1, "c-1")
                .unwrap();
        }
        pair
    }

    pub(crate) fn owner(&self, partition: u32) -> &Node {
        &self.nodes[(partition % 2) as usize]
    }

    /// `owned`: for each partition its epoch and primary.
    pub(crate) fn topology(&self, revision: u64, owned: &[(u64, &str)]) -> v1::Topology {
        let nodes = self
            .nodes
            .iter()
            .map(|node| (node.id.as_str(), node.address.as_str()));
        topology(revision, &nodes.collect::<Vec<_>>(), owned)
    }
}

pub(crate) fn topology(
    revision: u64,
    nodes: &[(&str, &str)],
    owned: &[(u64, &str)],
) -> v1::Topology {
    v1::Topology {
        cluster: "test".into(),
        revision,
        complete: true,
        partition_count: PARTITIONS,
        nodes: nodes
            .iter()
            .map(|(id, address)| v1::Node {
                id: (*id).into(),
                address: (*address).into(),
                weight: 100,
                ..Default::default()
            })
            .collect(),
        partitions: owned
            .iter()
            .zip(0..)
            .map(|((epoch, primary), id)| v1::Partition {
                id,
                epoch: *epoch,
                primary: (*primary).into(),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    }
}

/// A key of this partition; different for each `n`.
pub(crate) fn key_in(partition: u32, n: u32) -> Bytes {
    (0_u32..)
        .map(|tag| format!("{{{tag}}}:{n}"))
        .find(|key| partition_of(key.as_bytes(), PARTITIONS) == partition)
        .map(Bytes::from)
        .unwrap()
}

pub(crate) fn get(key: &Bytes) -> v1::GetRequest {
    v1::GetRequest {
        key: key.clone(),
        ..Default::default()
    }
}

pub(crate) fn set(key: &Bytes, value: &'static str) -> v1::SetRequest {
    v1::SetRequest {
        key: key.clone(),
        value: value.into(),
        ..Default::default()
    }
}

/// What an error says: code, reason, and whether it is safe to repeat.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said(
    pub(crate) Code,
    pub(crate) &'static str,
    pub(crate) &'static str,
);

pub(crate) fn said(status: &Status) -> Said {
    let info = status
        .get_details_error_info()
        .expect("every failure carries ErrorInfo");
    assert_eq!(info.domain, "shoal");
    assert!(!status.message().is_empty());
    let again = matches!(status.code(), Code::Unavailable | Code::ResourceExhausted);
    assert_eq!(
        status.get_details_retry_info().is_some(),
        again,
        "{status:?}"
    );
    Said(
        status.code(),
        info.reason.leak(),
        info.metadata["outcome"].clone().leak(),
    )
}

pub(crate) fn metadata(status: &Status, key: &str) -> String {
    status.get_details_error_info().unwrap().metadata[key].clone()
}

/// Poll until it is so; fail after a time that no test should need.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(std::time::Instant::now() < end, "not within 10 s: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Sends bytes as they are.
#[derive(Clone, Copy, Default)]
pub(crate) struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// Call a unary method with these bytes.
pub(crate) async fn call_raw(
    address: &str,
    path: &'static str,
    message: &[u8],
) -> Result<Bytes, Status> {
    let mut grpc = tonic::client::Grpc::new(channel(address).await);
    grpc.ready().await.unwrap();
    let request = tonic::Request::new(Bytes::copy_from_slice(message));
    let path = http::uri::PathAndQuery::from_static(path);
    grpc.unary(request, path, Raw)
        .await
        .map(tonic::Response::into_inner)
}

/// Send these messages on one stream and collect the answers.
pub(crate) async fn stream_raw(
    address: &str,
    path: &'static str,
    messages: Vec<Bytes>,
) -> Vec<Result<Bytes, Status>> {
    use tokio_stream::StreamExt;
    let mut grpc =
        tonic::client::Grpc::new(channel(address).await).max_decoding_message_size(usize::MAX);
    grpc.ready().await.unwrap();
    let request = tonic::Request::new(tokio_stream::iter(messages));
    let path = http::uri::PathAndQuery::from_static(path);
    let stream = grpc
        .streaming(request, path, Raw)
        .await
        .unwrap()
        .into_inner();
    stream.collect().await
}
