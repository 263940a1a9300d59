//! What other nodes ask of this one: to follow it, and how far its copies have come.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use futures_core::Stream;
use shoal_protos::replication::v1;
use shoal_protos::replication::v1::replication_server;
use shoal_replication::Source;
use tonic::{Request, Response, Status, Streaming};

use crate::access::{Asker, Caller, Right};
use crate::failure::Failure;
use crate::node::Node;
use crate::replication::following::Following;
use crate::transport::status;

/// The longest message of a follower: what it wants and has applied, of as many
/// partitions as there may be.
pub(super) const REQUEST_BYTES_MAX: usize = 2 << 20;

/// `shoal.v1.Replication`.
pub(crate) struct ReplicationService {
    node: Arc<Node>,
}

impl ReplicationService {
    pub(super) fn new(node: Arc<Node>) -> ReplicationService {
        ReplicationService { node }
    }

    /// Where there is an access file its roles say who is a node; else, where there is TLS,
    /// nodes know each other by their certificates.
    fn check_peer<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let extensions = request.extensions();
        if self.node.access.is_set() {
            let asker = extensions.get::<Arc<Asker>>();
            let checked = asker.map_or(
                Err(Failure::NotKnown(
                    "ask again: this came before the access file",
                )),
                |asker| asker.may()?.check_at_all(Right::Peer),
            );
            return checked.map_err(|failure| status(&failure));
        }
        let caller = extensions.get::<Caller>();
        if self.node.tls.is_none() || caller.is_some_and(|caller| caller.is_verified) {
            return Ok(());
        }
        Err(Status::unauthenticated(
            "this is for other nodes, which show a certificate: show one of the authority that \
             this node trusts",
        ))
    }
}

/// A place among the streams of followers, until it is dropped.
pub(super) struct Joined(Arc<Node>);

impl Joined {
    fn take(node: &Arc<Node>) -> Option<Joined> {
        let joined = Joined(node.clone());
        let before = node.replication.streams.fetch_add(1, Relaxed);
        (before < node.limits.followers_max).then_some(joined)
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.0.replication.streams.fetch_sub(1, Relaxed);
    }
}

#[tonic::async_trait]
impl replication_server::Replication for ReplicationService {
    type FollowStream = Pin<Box<dyn Stream<Item = Result<v1::FollowResponse, Status>> + Send>>;

    async fn follow(
        &self,
        request: Request<Streaming<v1::FollowRequest>>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        self.check_peer(&request)?;
        let node = &self.node;
        if *node.stopping.borrow() {
            return Err(status(&Failure::Stopping));
        }
        let Some(joined) = Joined::take(node) else {
            let what = "streams of followers";
            return Err(status(&Failure::TooManyRequests { what }));
        };
        let cluster = node.topology.current().cluster.clone();
        let source = Source::new(node.replication.hub.clone(), &cluster);
        let following = Following::new(node.clone(), source, request.into_inner(), joined);
        Ok(Response::new(Box::pin(following)))
    }

    async fn positions(
        &self,
        request: Request<v1::PositionsRequest>,
    ) -> Result<Response<v1::PositionsResponse>, Status> {
        self.check_peer(&request)?;
        let node = &self.node;
        let asked = request.into_inner().partitions;
        if asked.iter().any(|asked| *asked >= node.partition_count) {
            let count = node.partition_count;
            let sentence = format!("a partition is asked for, and there are {count}: ask below");
            return Err(status(&Failure::Malformed(sentence)));
        }
        Ok(Response::new(
            node.replication.hub.positions(&node.engine, &asked),
        ))
    }
}
