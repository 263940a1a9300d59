//! What a Shoal error says beside its code: the reason, whether the request may have been
//! applied, and when to try again.

use std::fmt;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorInfo, StatusExt};

/// An error of shoal.v1, taken apart. docs/reasons.md lists the reasons.
#[derive(Debug)]
pub struct Refusal {
    pub code: Code,
    /// Empty where the error is not one of Shoal's, as when the connection was lost.
    pub reason: String,
    /// `NOT_APPLIED`: safe to repeat. `MAYBE_APPLIED`: read before you repeat.
    pub outcome: String,
    /// When to try again. `None`: trying again does not help.
    pub retry_after: Option<Duration>,
}

impl From<&Status> for Refusal {
    fn from(status: &Status) -> Refusal {
        let info = status
            .get_details_error_info()
            .unwrap_or_else(|| ErrorInfo::new("", "", []));
        Refusal {
            code: status.code(),
            outcome: info.metadata.get("outcome").cloned().unwrap_or_default(),
            reason: info.reason,
            retry_after: status
                .get_details_retry_info()
                .and_then(|retry| retry.retry_delay),
        }
    }
}

impl Refusal {
    pub fn may_be_repeated(&self) -> bool {
        self.outcome == "NOT_APPLIED"
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {}, {}", self.code, self.reason, self.outcome)?;
        match self.retry_after {
            Some(delay) => write!(f, ", again in {delay:?}"),
            None => Ok(()),
        }
    }
}
