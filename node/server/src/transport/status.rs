//! A failure, as gRPC tells it: status, `ErrorInfo`, and `RetryInfo` where trying
//! again may help. The one place where failures become statuses.

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
