//! Replaying against a real node over gRPC, one request after the other.

use shoal_protos::v1::cache_client::CacheClient;
use shoal_protos::v1::{GetRequest, SetRequest, Status};
use tonic::transport::Endpoint;

use crate::outcome::Outcome;
use crate::trace::{Request, longest_value};

type Failed = Box<dyn std::error::Error>;

/// Replays the whole trace.
pub(crate) async fn replay(trace: &[Request], address: &str) -> Result<Outcome, Failed> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?
        .tcp_nodelay(true)
        .connect()
        .await?;
    let mut client = CacheClient::new(channel);
    let longest = longest_value(trace);
    let mut outcome = Outcome::default();
    for request in trace {
        let key = request.key().into_bytes();
        let get = GetRequest {
            key: key.clone().into(),
            ..GetRequest::default()
        };
        outcome.requests += 1;
        if client.get(get).await?.into_inner().status() != Status::Hit {
            outcome.misses += 1;
            let set = SetRequest {
                key: key.into(),
                value: longest[..request.value_bytes()].to_vec().into(),
                ..SetRequest::default()
            };
            client.set(set).await?;
        }
    }
    Ok(outcome)
}
