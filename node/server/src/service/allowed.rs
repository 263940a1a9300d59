//! Watches of callers that may not do everything: one ends once its caller may not watch any
//! more, and tells of no keys that the caller has nothing to do with.
//!
//! In place of such keys one stands that nobody can have, so that the caller sees the
//! sequence rise by one and drops nothing for it.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::unfold;
use prost::Message;
use shoal_protos::v1;
use tokio::sync::watch;

use crate::access::{Asker, May, Right};
use crate::failure::Failure;
use crate::node::Node;
use crate::service::{Method, Outcome, Responses};

struct Watched {
    node: Arc<Node>,
    asker: Option<Arc<Asker>>,
    changes: watch::Receiver<u64>,
    method: Method,
    responses: Responses,
}

/// Only what the asker may be told, for as long as it may.
pub(super) fn only(
    node: &Arc<Node>,
    asker: Arc<Asker>,
    method: Method,
    responses: Responses,
) -> Responses {
    let watched = Watched {
        node: node.clone(),
        changes: node.access.changes(),
        asker: Some(asker),
        method,
        responses,
    };
    Box::pin(unfold(Some(watched), |watched| async move {
        let mut watched = watched?;
        let told = watched.next().await?;
        let rest = told.is_ok().then_some(watched);
        Some((told, rest))
    }))
}

impl Watched {
    async fn next(&mut self) -> Option<Outcome> {
        loop {
            tokio::select! {
                biased;
                Ok(()) = self.changes.changed() => {
                    if let Err(failure) = self.may() {
                        return Some(Err(failure));
                    }
                }
                told = self.responses.next() => {
                    let told = match told? {
                        Ok(told) => told,
                        Err(failure) => return Some(Err(failure)),
                    };
                    let method = self.method;
                    return Some(match (self.may(), method) {
                        (Err(failure), _) => Err(failure),
                        (Ok(may), Method::WatchInvalidations) => Ok(kept(told, may)),
                        (Ok(_), _) => Ok(told),
                    });
                }
            }
        }
    }

    /// By the table that stands.
    fn may(&mut self) -> Result<May<'_>, Failure> {
        self.asker = self.node.access.renewed(self.asker.take());
        let may = self.asker.as_deref().map_or(Ok(May::ALL), Asker::may)?;
        may.check_at_all(Right::Watch)?;
        Ok(may)
    }
}

fn kept(told: Bytes, may: May<'_>) -> Bytes {
    if may.is_whole(Right::Watch) {
        return told;
    }
    let Ok(mut response) = v1::WatchInvalidationsResponse::decode(told.clone()) else {
        return told;
    };
    if response.keys.is_empty() {
        return told;
    }
    response
        .keys
        .retain(|key| may.check(Right::Watch, key).is_ok());
    if response.keys.is_empty() {
        response.keys.push(Bytes::new());
    }
    response.encode_to_vec().into()
}

#[cfg(test)]
mod tests {
    use super::kept;
    use crate::access::{May, Right, Rights};
    use bytes::Bytes;
    use prost::Message;
    use shoal_protos::v1;

    #[test]
    fn keys_of_others_are_kept_back_and_the_sequence_rises() {
        let told = |keys: &[&'static str]| v1::WatchInvalidationsResponse {
            partition: 3,
            sequence: 7,
            keys: keys
                .iter()
                .map(|key| Bytes::from_static(key.as_bytes()))
                .collect(),
            ..Default::default()
        };
        let mut rights = Rights::default();
        rights.add(Right::Watch, &[b"a:".to_vec()]);
        let cases: [(&[&str], &[&str]); 4] = [
            (&["a:1", "b:1"], &["a:1"]),
            (&["b:1"], &[""]),
            (&[], &[]),
            (&["a:1"], &["a:1"]),
        ];
        for (before, after) in cases {
            let message = Bytes::from(told(before).encode_to_vec());
            let heard = kept(message.clone(), May::only(&rights));
            assert_eq!(
                v1::WatchInvalidationsResponse::decode(heard),
                Ok(told(after))
            );
            assert_eq!(kept(message.clone(), May::ALL), message);
        }
    }
}
