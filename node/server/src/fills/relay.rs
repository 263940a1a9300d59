//! Callers of this node that wait for a load at another: one of each key asks there and
//! waits. What it is told is told to all who waited here before it asked, so that a value
//! travels twice between two nodes, however many wait for it, and nobody is shown what was
//! read before it asked. Where it comes to be its turn to load, or its wait is over, the
//! next one waits there.
//!
//! So what waits between two nodes is bounded by keys, not by callers: a key that ten
//! thousand wait for holds up no other.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{OwnedMutexGuard, watch};

use crate::service::Outcome;

/// The keys that somebody waits for elsewhere.
#[derive(Default)]
pub(crate) struct Relay {
    groups: Mutex<HashMap<Bytes, Arc<Group>>>,
}

/// Those who wait for one key.
struct Group {
    /// Held by the one that asks; given in the order in which they came.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// How often it was asked.
    asked: AtomicU64,
    news: watch::Sender<News>,
}

/// The last that was told of by the owner and concerns them all.
struct News {
    /// Which time of asking.
    number: u64,
    told: Outcome,
}

/// One who waits. Dropped, it waits no longer.
pub(crate) struct Waiting<'a> {
    relay: &'a Relay,
    key: Bytes,
    group: Arc<Group>,
    news: watch::Receiver<News>,
    /// How often it had been asked when it came.
    came_after: u64,
}

/// What comes first.
pub(crate) enum Next {
    /// To ask, for all.
    Turn(Turn),
    /// What another has heard, who asked later than this one came.
    Told(Outcome),
}

/// The right to ask.
pub(crate) struct Turn {
    number: u64,
    _turn: OwnedMutexGuard<()>,
}

impl Relay {
    /// Wait with all others that wait for this key.
    pub(crate) fn join(&self, key: &Bytes) -> Waiting<'_> {
        let mut groups = self.groups.lock();
        let group = groups.entry(key.clone()).or_insert_with(|| {
            let nothing = News {
                number: 0,
                told: Ok(Bytes::new()),
            };
            Arc::new(Group {
                turn: Arc::default(),
                asked: AtomicU64::new(0),
                news: watch::Sender::new(nothing),
            })
        });
        Waiting {
            relay: self,
            key: key.clone(),
            news: group.news.subscribe(),
            came_after: group.asked.load(SeqCst),
            group: group.clone(),
        }
    }
}

impl Waiting<'_> {
    pub(crate) async fn next(&mut self) -> Next {
        let mut turn = pin!(self.group.turn.clone().lock_owned());
        loop {
            tokio::select! {
                biased;
                _ = self.news.changed() => {
                    let news = self.news.borrow_and_update();
                    if news.number > self.came_after {
                        return Next::Told(news.told.clone());
                    }
                }
                turn = &mut turn => {
                    let number = self.group.asked.fetch_add(1, SeqCst) + 1;
                    return Next::Turn(Turn { number, _turn: turn });
                }
            }
        }
    }

    /// Tell all what this turn has brought.
    pub(crate) fn tell(&self, turn: &Turn, told: Outcome) {
        let number = turn.number;
        self.group.news.send_replace(News { number, told });
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
    async fn one_asks_and_the_next_one_after_it() {
        let relay = Relay::default();
        let (mut first, mut second) = (relay.join(&KEY), relay.join(&KEY));
        let Next::Turn(turn) = first.next().await else {
            panic!("nothing was told");
        };
        let waits = tokio::time::timeout(Duration::from_millis(20), second.next()).await;
        assert!(waits.is_err(), "the other has the turn");
        drop((turn, first));
        let next = tokio::time::timeout(SOON, second.next()).await;
        assert!(matches!(next, Ok(Next::Turn(_))));
        drop(second);
        assert!(relay.groups.lock().is_empty());
    }

    #[tokio::test]
    async fn what_was_asked_before_somebody_came_is_not_told_to_them() {
        let relay = Relay::default();
        let (mut first, mut second) = (relay.join(&KEY), relay.join(&KEY));
        let Next::Turn(turn) = first.next().await else {
            panic!("nothing was told");
        };
        let mut late = relay.join(&KEY);
        first.tell(&turn, Ok(KEY));
        assert!(matches!(second.next().await, Next::Told(Ok(told)) if told == KEY));
        drop((turn, first, second));
        let Next::Turn(turn) = late.next().await else {
            panic!("it came while the first was asking");
        };
        let mut other = relay.join(&Bytes::from_static(b"other"));
        late.tell(&turn, Ok(KEY));
        assert!(
            matches!(other.next().await, Next::Turn(_)),
            "of another key"
        );
    }
}
