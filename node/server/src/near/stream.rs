//! What watchers are told: where each partition stands, and every invalidation.
//!
//! A partition's sequence rises by one with every invalidation. It is never set back while
//! the process lives, whatever becomes of the partition, so that a watcher who comes again
//! and finds epoch and sequence as it knows them has missed nothing.
//!
//! Updates stand in one ring that all watchers read, so that many who are slow cost no
//! memory: who is overtaken by it is told, and begins anew. Positions and the ring are
//! changed under one lock: who begins to watch knows a position and hears of everything
//! behind it.

use bytes::Bytes;
use prost::Message;
use shoal_protos::v1;
use tokio::sync::broadcast;

use crate::sync::Mutex;

#[derive(Debug)]
pub(super) struct Stream {
    state: Mutex<State>,
    updates: broadcast::Sender<Update>,
}

#[derive(Debug)]
struct State {
    positions: Box<[Position]>,
    /// The lease has run out: as if nothing were served.
    is_fenced: bool,
}

/// Where a partition stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Position {
    /// Under which it is served; 0: it is not.
    epoch: u64,
    sequence: u64,
}

/// One message to watchers.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    pub(crate) partition: u32,
    /// A serialized `WatchInvalidationsResponse`, the same for every watcher.
    pub(crate) message: Bytes,
    /// Else it tells where the partition stands.
    pub(crate) is_invalidation: bool,
}

/// What one watcher hears.
pub(crate) struct Watch {
    /// Where every partition stood when it began: epoch, 0 where it is not served, and
    /// sequence.
    pub(crate) positions: Vec<(u64, u64)>,
    /// Everything since.
    pub(crate) updates: broadcast::Receiver<Update>,
}

impl Stream {
    /// Nothing is served. So many updates may stand between what is told and what the
    /// slowest watcher has taken.
    pub(super) fn new(partition_count: u32, behind_max: usize) -> Stream {
        let positions = vec![Position::default(); partition_count as usize];
        Stream {
            state: Mutex::new(State {
                positions: positions.into(),
                is_fenced: false,
            }),
            updates: broadcast::Sender::new(behind_max.max(1)),
        }
    }

    /// Begin to watch.
    pub(super) fn watch(&self) -> Watch {
        let state = self.state.lock();
        let told = |it: &Position| (state.epoch(it), it.sequence);
        Watch {
            positions: state.positions.iter().map(told).collect(),
            updates: self.updates.subscribe(),
        }
    }

    /// The partition is served under this epoch from now on. To be called before anybody
    /// can be granted anything of it.
    pub(super) fn takes(&self, partition: u32, epoch: u64) {
        let mut state = self.state.lock();
        state.positions[partition as usize].epoch = epoch;
        if !state.is_fenced {
            self.tell_position(&state, partition);
        }
    }

    /// It is not served any more, or not for now. Does nothing where it was not.
    pub(super) fn leaves(&self, partition: u32) {
        let mut state = self.state.lock();
        let position = &mut state.positions[partition as usize];
        let was_served = std::mem::take(&mut position.epoch) != 0;
        if was_served && !state.is_fenced {
            self.tell_position(&state, partition);
        }
    }

    /// Whether the lease has run out. What is served is told to be so, or not to be.
    pub(super) fn set_fenced(&self, is_fenced: bool) {
        let mut state = self.state.lock();
        if state.is_fenced == is_fenced {
            return;
        }
        state.is_fenced = is_fenced;
        for partition in 0..state.positions.len() as u32 {
            if state.positions[partition as usize].epoch != 0 {
                self.tell_position(&state, partition);
            }
        }
    }

    /// These keys may no longer be held; none: nothing of the partition. `version`: of the
    /// write, where it has a number.
    pub(super) fn invalidate(
        &self,
        partition: u32,
        version: Option<v1::Version>,
        keys: Vec<Bytes>,
    ) {
        let mut state = self.state.lock();
        let position = &mut state.positions[partition as usize];
        position.sequence += 1;
        let response = v1::WatchInvalidationsResponse {
            partition,
            version,
            keys,
            sequence: position.sequence,
            epoch: position.epoch,
        };
        // Who is not told that it is served is told nothing else of it either.
        if state.epoch(&state.positions[partition as usize]) != 0 {
            self.tell(response, true);
        }
    }

    fn tell_position(&self, state: &State, partition: u32) {
        let position = state.positions[partition as usize];
        let response = response(partition, state.epoch(&position), position.sequence);
        self.tell(response, false);
    }

    /// To be called under the lock.
    fn tell(&self, response: v1::WatchInvalidationsResponse, is_invalidation: bool) {
        let update = Update {
            partition: response.partition,
            message: response.encode_to_vec().into(),
            is_invalidation,
        };
        // There may be nobody.
        let _ = self.updates.send(update);
    }
}

impl State {
    /// Under which it is told to be served.
    fn epoch(&self, position: &Position) -> u64 {
        if self.is_fenced { 0 } else { position.epoch }
    }
}

/// Where a partition stands.
pub(crate) fn response(
    partition: u32,
    epoch: u64,
    sequence: u64,
) -> v1::WatchInvalidationsResponse {
    v1::WatchInvalidationsResponse {
        partition,
        epoch,
        // Of what is not served nothing is counted.
        sequence: if epoch == 0 { 0 } else { sequence },
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::broadcast::error::TryRecvError;

    /// What a watcher was told, as (partition, epoch, sequence, keys).
    fn told(watch: &mut Watch) -> Vec<(u32, u64, u64, usize)> {
        let updates = std::iter::from_fn(|| watch.updates.try_recv().ok());
        updates
            .map(|update| {
                let it = v1::WatchInvalidationsResponse::decode(update.message).unwrap();
                assert_eq!(it.partition, update.partition);
                (it.partition, it.epoch, it.sequence, it.keys.len())
            })
            .collect()
    }

    #[test]
    fn a_sequence_has_no_gap_and_goes_on_whatever_becomes_of_the_partition() {
        let stream = Stream::new(2, 100);
        stream.takes(1, 7);
        let mut watch = stream.watch();
        assert_eq!(watch.positions, [(0, 0), (7, 0)]);
        stream.invalidate(1, None, vec!["k".into()]);
        stream.leaves(1);
        stream.leaves(1);
        stream.takes(1, 7);
        stream.invalidate(1, None, vec![]);
        let expected = [(1, 7, 1, 1), (1, 0, 0, 0), (1, 7, 1, 0), (1, 7, 2, 0)];
        assert_eq!(told(&mut watch), expected);
        assert_eq!(stream.watch().positions[1], (7, 2));
    }

    #[test]
    fn past_the_fence_nothing_is_served_and_then_what_was() {
        let stream = Stream::new(2, 100);
        stream.takes(0, 3);
        let mut watch = stream.watch();
        stream.set_fenced(true);
        stream.set_fenced(true);
        assert_eq!(stream.watch().positions, [(0, 0), (0, 0)]);
        stream.takes(1, 4);
        stream.invalidate(0, None, vec![]);
        assert_eq!(told(&mut watch), [(0, 0, 0, 0)]);
        stream.set_fenced(false);
        assert_eq!(told(&mut watch), [(0, 3, 1, 0), (1, 4, 0, 0)]);
    }

    #[test]
    fn who_is_overtaken_is_told() {
        let stream = Stream::new(1, 4);
        stream.takes(0, 1);
        let mut watch = stream.watch();
        for _ in 0..5 {
            stream.invalidate(0, None, vec![]);
        }
        assert!(matches!(
            watch.updates.try_recv(),
            Err(TryRecvError::Lagged(1))
        ));
    }
}
