//! TLS: who is let in, what nodes show each other, and what changes while they run.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use shoal_protos::replication::v1::PositionsRequest;
use shoal_protos::replication::v1::replication_client::ReplicationClient;
use shoal_protos::v1;
use shoal_protos::v1::cache_client::CacheClient;
use shoal_server::{DataPlane, Limits, Role, Settings, TlsFiles, boottime_ns};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::Code;

use crate::certificates::{Authority, Connector, HOST, der};
use crate::copies::patient;
use crate::support::{
    Client, PARTITIONS, channel, eventually, get, key_in, set, settings, topology,
};

/// A node that speaks TLS.
struct Secured {
    plane: Arc<DataPlane>,
    address: String,
}

impl Secured {
    async fn start(id: &str, limits: Limits, files: TlsFiles) -> Secured {
        let settings = Settings {
            limits,
            tls: Some(files),
            ..settings(id)
        };
        let plane = Arc::new(DataPlane::new(settings).unwrap());
        let address = plane.start().await.unwrap();
        plane.set_lease_deadline(boottime_ns() + 3_600_000_000_000);
        Secured { plane, address }
    }

    /// One that serves everything.
    async fn alone(limits: Limits, files: TlsFiles) -> Secured {
        let node = Secured::start("a", limits, files).await;
        for partition in 0..PARTITIONS {
            node.plane.open_partition(partition, 1, "c-1").unwrap();
        }
        node
    }

    async fn client(&self, connector: &Connector) -> Client {
        CacheClient::new(connector.channel(&self.address).await.unwrap())
            .max_decoding_message_size(usize::MAX)
    }

    fn connections(&self) -> usize {
        self.plane.stats().connections
    }

    /// Whether a client of this kind is answered.
    async fn answers(&self, connector: &Connector) -> bool {
        let Ok(channel) = connector.channel(&self.address).await else {
            return false;
        };
        let key = key_in(0, 0);
        CacheClient::new(channel).get(get(&key)).await.is_ok()
    }

    /// What it says to who asks as another node would.
    async fn as_peer(&self, connector: &Connector) -> Result<(), Code> {
        let channel = connector.channel(&self.address).await.unwrap();
        let asked = PositionsRequest::default();
        let answer = ReplicationClient::new(channel).positions(asked).await;
        answer.map(|_| ()).map_err(|status| status.code())
    }
}

#[tokio::test]
async fn nodes_show_each_other_certificates() {
    let authority = Authority::new();
    let mut nodes = Vec::new();
    for id in ["a", "b"] {
        let files = TlsFiles {
            requires_certificate: true,
            ..authority.files(&[HOST])
        };
        nodes.push(Secured::start(id, patient(), files).await);
    }
    let [a, b] = &nodes[..] else { panic!() };
    let named = [("a", a.address.as_str()), ("b", b.address.as_str())];
    let topology = topology(1, &named, &vec![(1, "a"); PARTITIONS as usize]);
    for node in &nodes {
        let serialized = prost::Message::encode_to_vec(&topology);
        node.plane.install_topology(&serialized).unwrap();
    }
    let p = 3;
    a.plane.open_partition(p, 1, "ia-first").unwrap();
    b.plane
        .follow_partition(p, "a", &a.address, 1, "ib-first")
        .unwrap();
    let app = authority.client(Some(&authority.files(&["app.example"])));
    let mut client = b.client(&app).await;
    for n in 0..50 {
        client.set(set(&key_in(p, n), "sent on")).await.unwrap();
    }
    eventually("the follower has everything", || {
        let told = |node: &Secured| node.plane.replication().swap_remove(0);
        told(b).role == Role::Follower && told(b).position.seq == told(a).position.seq
    })
    .await;
    let found = a.client(&app).await.get(get(&key_in(p, 7))).await.unwrap();
    assert_eq!(&found.into_inner().value[..], b"sent on");
}

#[tokio::test]
async fn a_peer_must_be_the_host_of_its_address() {
    let authority = Authority::new();
    let a = Secured::alone(Limits::default(), authority.files(&["node-a.example"])).await;
    let b = Secured::start("b", Limits::default(), authority.files(&[HOST])).await;
    let named = [("a", a.address.as_str()), ("b", b.address.as_str())];
    let topology = topology(1, &named, &vec![(1, "a"); PARTITIONS as usize]);
    let serialized = prost::Message::encode_to_vec(&topology);
    b.plane.install_topology(&serialized).unwrap();
    let mut client = b.client(&authority.client(None)).await;
    let refused = client.get(get(&key_in(3, 0))).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    a.plane.set_tls(&authority.files(&[HOST])).unwrap();
    client.get(get(&key_in(3, 0))).await.unwrap();
}

#[tokio::test]
async fn who_is_let_in() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let known = authority.client(Some(&authority.files(&["app.example"])));
    let unknown = authority.client(Some(&stranger.files(&["app.example"])));
    let anonymous = authority.client(None);

    let any = Secured::alone(Limits::default(), authority.files(&[HOST])).await;
    assert!(any.answers(&known).await);
    assert!(any.answers(&anonymous).await);
    assert!(!any.answers(&unknown).await, "what is shown is verified");
    assert!(
        !any.answers(&stranger.client(None)).await,
        "nor is it trusted"
    );
    let told = || any.plane.snapshot().tls.swap_remove(0).1;
    eventually("they are counted", || {
        (told().done, told().failed) == (2, 2)
    })
    .await;
    assert!(told().last_failure.starts_with(HOST), "with whom, and why");
    assert_eq!(any.as_peer(&known).await, Ok(()));
    assert_eq!(any.as_peer(&anonymous).await, Err(Code::Unauthenticated));

    let files = TlsFiles {
        requires_certificate: true,
        ..authority.files(&[HOST])
    };
    let strict = Secured::alone(Limits::default(), files).await;
    assert!(strict.answers(&known).await);
    assert!(!strict.answers(&anonymous).await);
    assert!(!strict.answers(&unknown).await);
    let plain = CacheClient::new(channel(&strict.address).await);
    assert!(plain.clone().get(get(&key_in(0, 0))).await.is_err());
}

#[tokio::test]
async fn certificates_are_replaced_while_it_runs() {
    let (authority, next) = (Authority::new(), Authority::new());
    let first = authority.files(&[HOST]);
    let node = Secured::alone(Limits::default(), first.clone()).await;
    let mut standing = node.client(&authority.client(None)).await;
    standing.set(set(&key_in(0, 0), "v")).await.unwrap();
    let second = next.files(&[HOST]);
    let refused = [
        (&second.key, "belong to the certificate"),
        (&first.certificate, "holds no private key"),
    ];
    for (key, sentence) in refused {
        let files = TlsFiles {
            key: key.clone(),
            ..first.clone()
        };
        let error = node.plane.set_tls(&files).unwrap_err();
        assert!(error.to_string().contains(sentence), "{error}");
    }
    let shown = |connector: Connector| {
        let address = node.address.clone();
        async move {
            let stream = connector.connect(&address).await.ok()?;
            let shown = stream.get_ref().1.peer_certificates();
            shown.map(|it| it[0].clone())
        }
    };
    assert_eq!(shown(authority.client(None)).await, Some(der(&first)));
    node.plane.set_tls(&second).unwrap();
    assert_eq!(shown(next.client(None)).await, Some(der(&second)));
    assert_eq!(shown(authority.client(None)).await, None);
    let before = authority.client(Some(&first));
    assert!(!node.answers(&before).await, "it trusts the other one now");
    standing.get(get(&key_in(0, 0))).await.unwrap();

    let plain = DataPlane::new(settings("p")).unwrap();
    assert!(plain.set_tls(&second).is_err());
}

#[tokio::test]
async fn much_is_said_to_who_reads_slowly() {
    let authority = Authority::new();
    let node = Secured::alone(Limits::default(), authority.files(&[HOST])).await;
    let client = node.client(&authority.client(None)).await;
    let value = Bytes::from(vec![7; 1 << 20]);
    let keys: Vec<Bytes> = (0..24).map(|n| key_in(n % PARTITIONS, n)).collect();
    for key in &keys {
        let asked = v1::SetRequest {
            key: key.clone(),
            value: value.clone(),
            ..Default::default()
        };
        client.clone().set(asked).await.unwrap();
    }
    let mut asked = Vec::new();
    for n in 0..4 {
        let (mut client, keys) = (client.clone(), keys[6 * n..6 * (n + 1)].to_vec());
        asked.push(tokio::spawn(async move {
            let request = v1::MGetRequest {
                keys,
                ..Default::default()
            };
            client.m_get(request).await.unwrap().into_inner()
        }));
    }
    for asked in asked {
        let found = asked.await.unwrap().entries;
        assert!(found.iter().all(|it| it.value == value) && found.len() == 6);
    }
}

#[tokio::test]
async fn handshakes_that_take_long_are_ended_and_count_meanwhile() {
    let authority = Authority::new();
    let limits = Limits {
        handshake_timeout: Duration::from_millis(500),
        connections_max: 40,
        ..Limits::default()
    };
    let node = Secured::alone(limits, authority.files(&[HOST])).await;
    let mut served = node.client(&authority.client(None)).await;
    served.get(get(&key_in(0, 0))).await.unwrap();
    let mut half_open = Vec::new();
    for n in 1..40 {
        let mut socket = TcpStream::connect(&node.address).await.unwrap();
        // Some say nothing, others begin as a client would.
        if n % 2 == 0 {
            socket.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
        }
        half_open.push(socket);
    }
    eventually("all are counted", || node.connections() == 40).await;
    let mut refused = TcpStream::connect(&node.address).await.unwrap();
    let read = timeout(Duration::from_secs(5), refused.read(&mut [0])).await;
    assert!(matches!(read, Ok(Ok(0) | Err(_))), "one too many");
    // A handshake that drips, and one that ends and asks nothing.
    served.get(get(&key_in(0, 0))).await.unwrap();
    eventually("they are gone", || node.connections() == 1).await;
    let dripping = tokio::spawn(drip(node.address.clone()));
    let quiet = authority.client(None).connect(&node.address).await.unwrap();
    timeout(Duration::from_secs(5), dripping)
        .await
        .unwrap()
        .unwrap();
    eventually("they are gone too", || node.connections() == 1).await;
    served.get(get(&key_in(0, 0))).await.unwrap();
    drop((half_open, quiet));
}

/// Send a long hello byte by byte until the node has had enough.
async fn drip(address: String) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let hello = [22, 3, 1, 0x3f, 0, 1, 0, 0x3e, 0xfc];
    for byte in hello.into_iter().chain(std::iter::repeat(0)) {
        if socket.write_all(&[byte]).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
