//! Callers of this node that wait for a load at another: one of each key asks there and
//! waits, for all of them. When there is a value, all ask for it; where it comes to be its
//! turn to load, or its wait is over, the next one waits there.
//!
//! So what waits between two nodes is bounded by keys, not by callers: a key that ten
//! thousand wait for holds up no other.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{OwnedMutexGuard, watch};

/// The keys that somebody waits for elsewhere.
#[derive(Default)]
pub(crate) struct Relay {
    groups: Mutex<HashMap<Bytes, Arc<Group>>>,
}

/// Those who wait for one key.
struct Group {
    /// Held by the one that waits at the owner; given in the order asked.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Rises when the owner has told of something that concerns them all.
    news: watch::Sender<u64>,
}

/// One who waits. Dropped, it waits no longer.
pub(crate) struct Waiting<'a> {
    relay: &'a Relay,
    key: Bytes,
    group: Arc<Group>,
    news: watch::Receiver<u64>,
}

/// What comes first.
pub(crate) enum Next {
    /// To wait at the owner, as long as this is held.
    Turn(OwnedMutexGuard<()>),
    /// To ask the owner again.
    Again,
}

impl Relay {
    /// Wait with all others that wait for this key. To be called before the owner is asked
    /// whether there is anything to wait for, so that no news is missed.
    pub(crate) fn join(&self, key: &Bytes) -> Waiting<'_> {
        let mut groups = self.groups.lock();
        let group = groups.entry(key.clone()).or_insert_with(|| {
            Arc::new(Group {
                turn: Arc::default(),
                news: watch::Sender::new(0),
            })
        });
        let group = group.clone();
        Waiting {
            relay: self,
            key: key.clone(),
            news: group.news.subscribe(),
            group,
        }
    }
}

impl Waiting<'_> {
    pub(crate) async fn next(&mut self) -> Next {
        tokio::select! {
            biased;
            _ = self.news.changed() => Next::Again,
            turn = self.group.turn.clone().lock_owned() => Next::Turn(turn),
        }
    }

    /// There is a value, or it is to be looked for: everybody asks again.
    pub(crate) fn tell_all(&self) {
        self.group.news.send_modify(|news| *news += 1);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut groups = self.relay.groups.lock();
        // The list's own, and this one's.
        if Arc::strong_count(&self.group) == 2 {
            groups.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Next, Relay};
    use bytes::Bytes;
    use std::time::Duration;

    const KEY: Bytes = Bytes::from_static(b"k");
    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn one_has_the_turn_and_the_next_one_after_it() {
        let relay = Relay::default();
        let (mut first, mut second) = (relay.join(&KEY), relay.join(&KEY));
        let Next::Turn(turn) = first.next().await else {
            panic!("there is no news");
        };
        let waits = tokio::time::timeout(Duration::from_millis(20), second.next()).await;
        assert!(waits.is_err(), "the other has it");
        drop((turn, first));
        let next = tokio::time::timeout(SOON, second.next()).await;
        assert!(matches!(next, Ok(Next::Turn(_))));
    }

    #[tokio::test]
    async fn news_reaches_all_who_wait_for_the_key_and_nobody_else() {
        let relay = Relay::default();
        let mut others = [relay.join(&KEY), relay.join(&KEY)];
        let mut elsewhere = relay.join(&Bytes::from_static(b"other"));
        relay.join(&KEY).tell_all();
        for other in &mut others {
            assert!(matches!(other.next().await, Next::Again));
        }
        assert!(matches!(elsewhere.next().await, Next::Turn(_)));
        drop((others, elsewhere));
        assert!(relay.groups.lock().is_empty());
    }
}
