//! WatchInvalidations: in the contract, and not served yet.

use bytes::Bytes;
use prost::Message;
use shoal_protos::v1;

use crate::failure::Failure;
use crate::service::{Responses, malformed};

pub(super) fn handle(request: &Bytes) -> Result<Responses, Failure> {
    v1::WatchInvalidationsRequest::decode(request.clone())
        .map_err(|_| malformed("WatchInvalidationsRequest"))?;
    Err(Failure::NotServed {
        field: "partitions",
    })
}
