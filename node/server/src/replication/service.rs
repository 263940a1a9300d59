//! What other nodes ask of this one: to follow it, and how far its copies have come.
//!
//! A service of tonic's, but for the messages of `Follow`: those are laid as they are sent,
//! and go to the transport without another copy.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use http::{HeaderValue, header};
use shoal_protos::replication::v1;
use shoal_protos::replication::v1::replication_server::SERVICE_NAME;
use shoal_replication::Source;
use tonic::body::Body;
use tonic::codec::Codec;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower_service::Service;

use crate::access::{Asker, Caller, Right};
use crate::failure::Failure;
use crate::node::Node;
use crate::replication::following::Following;
use crate::transport::status;

/// The longest message of a follower: what it wants and has applied, of as many
/// partitions as there may be.
pub(super) const REQUEST_BYTES_MAX: usize = 2 << 20;

/// `shoal.v1.Replication`.
#[derive(Clone)]
pub(crate) struct ReplicationService {
    node: Arc<Node>,
}

impl ReplicationService {
    pub(super) fn new(node: Arc<Node>) -> ReplicationService {
        ReplicationService { node }
    }

    /// Where there is an access file its roles say who is a node; else, where there is TLS,
    /// nodes know each other by their certificates.
    fn check_peer(&self, extensions: &http::Extensions) -> Result<(), Status> {
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

impl ReplicationService {
    fn follow(&self, request: http::Request<Body>) -> Result<http::Response<Body>, Status> {
        self.check_peer(request.extensions())?;
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
        let decoder = ProstCodec::<(), v1::FollowRequest>::default().decoder();
        let bytes_max = Some(REQUEST_BYTES_MAX);
        let requests = Streaming::new_request(decoder, request.into_body(), None, bytes_max);
        let following = Following::new(node.clone(), source, requests, joined);
        let mut response = http::Response::new(Body::new(following));
        let grpc = HeaderValue::from_static("application/grpc");
        response.headers_mut().insert(header::CONTENT_TYPE, grpc);
        Ok(response)
    }

    fn positions(
        &self,
        extensions: &http::Extensions,
        request: v1::PositionsRequest,
    ) -> Result<v1::PositionsResponse, Status> {
        self.check_peer(extensions)?;
        let node = &self.node;
        let asked = request.partitions;
        if asked.iter().any(|asked| *asked >= node.partition_count) {
            let count = node.partition_count;
            let sentence = format!("a partition is asked for, and there are {count}: ask below");
            return Err(status(&Failure::Malformed(sentence)));
        }
        Ok(node.replication.hub.positions(&node.engine, &asked))
    }
}

impl UnaryService<v1::PositionsRequest> for ReplicationService {
    type Response = v1::PositionsResponse;
    type Future = std::future::Ready<Result<Response<v1::PositionsResponse>, Status>>;

    fn call(&mut self, request: Request<v1::PositionsRequest>) -> Self::Future {
        let (_, extensions, message) = request.into_parts();
        std::future::ready(self.positions(&extensions, message).map(Response::new))
    }
}

impl NamedService for ReplicationService {
    const NAME: &'static str = SERVICE_NAME;
}

impl Service<http::Request<Body>> for ReplicationService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            let method = request.uri().path().rsplit('/').next();
            Ok(match method {
                Some("Follow") => {
                    let response = service.follow(request);
                    response.unwrap_or_else(|status| status.into_http())
                }
                Some("Positions") => {
                    let mut grpc = Grpc::new(ProstCodec::default())
                        .apply_max_message_size_config(Some(REQUEST_BYTES_MAX), None);
                    grpc.unary(service, request).await
                }
                _ => Status::unimplemented("Replication has no such method").into_http(),
            })
        })
    }
}
