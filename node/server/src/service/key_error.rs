//! The failure of one key among many, to and from its message.

use std::sync::Arc;

use shoal_protos::v1;

use crate::failure::{Failure, PeerFailure};

pub(super) fn told(failure: &Failure) -> v1::KeyError {
    v1::KeyError {
        code: failure.code(),
        reason: failure.reason_name().to_owned(),
        message: failure.to_string(),
        metadata: failure.metadata().into_iter().collect(),
    }
}

pub(super) fn heard(error: v1::KeyError) -> Failure {
    Failure::Peer(Arc::new(PeerFailure {
        code: error.code,
        reason: error.reason,
        message: error.message,
        metadata: error.metadata.into_iter().collect(),
    }))
}
