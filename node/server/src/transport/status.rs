//! A failure, as gRPC tells it: status, `ErrorInfo`, and `RetryInfo` where trying
//! again may help. The one place where failures become statuses.

use http::HeaderMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::failure::Failure;

/// The domain of every `ErrorInfo`.
pub(crate) const DOMAIN: &str = "shoal";

/// The status of a failure.
pub(crate) fn status(failure: &Failure) -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info(
        failure.reason_name(),
        DOMAIN,
        failure
            .metadata()
            .into_iter()
            .collect::<std::collections::HashMap<_, _>>(),
    );
    if let Some(after) = failure.retry_after() {
        details.set_retry_info(Some(after));
    }
    Status::with_error_details(Code::from_i32(failure.code()), failure.to_string(), details)
}

/// Messages are taken uncompressed only.
pub(super) fn uncompressed_only() -> Status {
    let mut status =
        Status::unimplemented("this node takes messages uncompressed: turn compression off");
    let accepted = http::HeaderName::from_static("grpc-accept-encoding");
    let identity = http::HeaderValue::from_static("identity");
    status.metadata_mut().as_mut().insert(accepted, identity);
    status
}

/// The fields that tell a status, as trailers.
pub(super) fn trailers(status: Status) -> HeaderMap {
    let mut headers = status.into_http::<()>().into_parts().0.headers;
    headers.remove(http::header::CONTENT_TYPE);
    headers
}
