//! What another node's error means here.

use std::sync::Arc;

use tonic::Status;
use tonic_types::StatusExt;

use crate::failure::{Failure, PeerFailure};
use crate::reasons::Reason;
use crate::topology::{Owner, Peer};
use crate::transport::DOMAIN;

/// The peer's own failure if it is one of Shoal's, else `otherwise`.
pub(super) fn failure(status: &Status, otherwise: Failure) -> Failure {
    let Some(info) = status
        .get_details_error_info()
        .filter(|info| info.domain == DOMAIN)
    else {
        return otherwise;
    };
    Failure::Peer(Arc::new(PeerFailure {
        code: status.code() as i32,
        reason: info.reason,
        message: status.message().to_owned(),
        metadata: info.metadata.into_iter().collect(),
    }))
}

/// The owner that a peer's `MOVED` names.
pub(crate) fn owner_told(failure: &Failure) -> Option<Owner> {
    let Failure::Peer(peer) = failure else {
        return None;
    };
    if peer.reason != Reason::Moved.as_str() {
        return None;
    }
    let said = |name: &str| {
        peer.metadata
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    Some(Owner {
        node: Arc::new(Peer {
            id: said("owner")?.into(),
            address: said("address")?.into(),
        }),
        epoch: said("epoch")?.parse().ok()?,
        partition: said("partition")?.parse().ok()?,
    })
}
