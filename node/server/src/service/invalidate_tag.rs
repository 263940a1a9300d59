//! InvalidateTag: in the contract, and not served yet.

use bytes::Bytes;
use prost::Message;
use shoal_protos::v1;

use crate::failure::Failure;
use crate::service::malformed;

pub(super) fn handle(request: &Bytes) -> Result<(), Failure> {
    v1::InvalidateTagRequest::decode(request.clone())
        .map_err(|_| malformed("InvalidateTagRequest"))?;
    Err(Failure::NotServed { field: "tag" })
}
