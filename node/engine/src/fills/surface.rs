//! What the engine's callers call.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::task::Waker;

use super::early::Has;
use super::{FillAsk, FillCounts, FillToken, Filled, NEVER_MS, Turn};
use crate::engine::Engine;
use crate::partition::Partition;
use crate::place::Place;
use crate::refused::Refused;
use crate::replication::{Once, RequestId, Role};
use crate::request::{Entry, Now, SetOutcome, Write};

impl Engine {
    /// Reads a key as [`Engine::get`] does, and where there is no value, or one that is due
    /// to be refreshed, agrees with all others who ask at that time who shall load it. Of a
    /// primary only.
    ///
    /// A caller that waits counts as a hit or a miss once it is answered, not before.
    pub fn get_or_fill<R>(
        &self,
        partition: u32,
        key: &[u8],
        ask: &FillAsk,
        now: Now,
        read: impl FnOnce(Entry<'_>) -> R,
    ) -> Result<Filled<R>, Refused> {
        let mut read = Some(read);
        let mut read = |entry: Entry<'_>| {
            let read = read.take().expect("a caller is answered once");
            read(entry)
        };
        // A hit costs what it costs without a fill.
        let place = self.place(partition);
        let hash = self.hash(key);
        let found = place.look(|open| {
            let is_primary = open.role == Role::Primary;
            let read = |entry: Entry<'_>| (!ask.is_due(&entry)).then(|| read(entry));
            is_primary.then(|| open.look(hash.0, key, now, read))?
        });
        if let Some(found) = found {
            return Ok(Filled::Found(found));
        }
        if let Some(open) = &mut place.state.lock_to_read().open
            && open.role == Role::Primary
        {
            match open.get_hashed(hash.0, key, now) {
                None if ask.refresh_only => return Ok(Filled::Held),
                None => open.tally.misses -= 1,
                Some(entry) if !ask.is_due(&entry) => return Ok(Filled::Found(read(entry))),
                Some(entry) => {
                    let is_refused = ask.refuses(&entry);
                    open.tally.hits -= 1;
                    if !is_refused
                        && open.is_leased(key, now)
                        && let Some(entry) = open.get(key, now)
                    {
                        return Ok(Filled::Found(read(entry)));
                    }
                }
            }
        }
        self.write(partition, key, now, |open, may_evict| {
            if open.has(key, ask, now) == Has::Due {
                let number = self.birth();
                // Whoever cannot be given the token has a value all the same.
                let asked = open.ask_refresh(key, ask, &self.crowd, number, now, may_evict);
                if let Ok(Filled::Given(token)) = asked {
                    return Ok(match open.get(key, now) {
                        Some(entry) => Filled::Refresh(read(entry), token),
                        None => Filled::Given(token),
                    });
                }
            }
            let mut asked = Filled::Held;
            if open.has(key, ask, now) == Has::Nothing && !ask.refresh_only {
                let number = self.birth();
                asked = open.ask_fill(key, ask, &self.crowd, number, now, may_evict)?;
            }
            match asked {
                Filled::Held | Filled::Full(_) => {
                    if let Some(entry) = open.get(key, now) {
                        return Ok(Filled::Found(read(entry)));
                    }
                }
                Filled::Given(_) => open.tally.misses += 1,
                _ => {}
            }
            Ok(asked.map_none())
        })
    }

    /// How it goes with who waits for a key under this number. While it waits, `waker` is
    /// woken at its next turn.
    pub fn fill_turn(
        &self,
        partition: u32,
        key: &[u8],
        number: u64,
        ask: &FillAsk,
        waker: &Waker,
    ) -> Turn {
        let mut state = self.place(partition).state.lock();
        let Some(open) = state.open.as_mut() else {
            return Turn::Over;
        };
        let turn = open.fill_turn(key, number, ask, waker);
        open.tally.misses += u64::from(matches!(turn, Turn::Given(_)));
        turn
    }

    /// Who waits under this number does so no longer: its own time has run out, or it is
    /// gone. What it was given and has not taken passes on. It counts as neither hit nor
    /// miss.
    pub fn leave_fill(
        &self,
        partition: u32,
        key: &[u8],
        number: u64,
        its_time_ran_out: bool,
        now: Now,
    ) {
        self.part(partition, |open| {
            let waited = open.leave_fill(key, number, now);
            if waited && its_time_ran_out {
                self.crowd.ran_out.fetch_add(1, Relaxed);
            }
        });
    }

    /// Gives a token back: the next in line loads. False: it was void. `rest_ms`: its
    /// holder's origin has failed. Unless somebody waits for a value, nobody is given a token
    /// to refresh the one that is there for so long.
    pub fn release_fill(
        &self,
        partition: u32,
        key: &[u8],
        token: FillToken,
        rest_ms: Option<u64>,
        now: Now,
    ) -> bool {
        self.part(partition, |open| {
            open.release_fill(key, token, rest_ms, now)
        })
        .unwrap_or(false)
    }

    /// Gives back what this one holds of a partition.
    pub fn release_fills_of(&self, partition: u32, holder: u64, now: Now) {
        self.part(partition, |open| open.release_fills_of(holder, now));
    }

    /// Stores a value with the token that its key's miss was answered with. As
    /// [`Engine::set_once`] otherwise: a request that was applied is not refused because
    /// its token is void by that.
    pub fn fill(
        &self,
        partition: u32,
        key: &[u8],
        write: Write<'_>,
        token: FillToken,
        request: Option<RequestId<'_>>,
        now: Now,
    ) -> Result<Once<SetOutcome>, Refused> {
        let stored = self.set_with(partition, key, write, request, Some(token), now);
        match stored {
            Ok(Once {
                repeated: false, ..
            }) => self.crowd.stored.fetch_add(1, Relaxed),
            Err(Refused::TokenVoid) => self.crowd.void.fetch_add(1, Relaxed),
            _ => 0,
        };
        stored
    }

    /// When the first lease ends, by the time that [`Now`] is of; None where there is
    /// none. Wakes `waker` once, when that comes to be earlier.
    pub fn next_fill_end(&self, waker: &Waker) -> Option<Now> {
        let first_ms = self.crowd.set_alarm(waker, || {
            let ends = self.places.iter().map(Place::fill_end_ms);
            ends.min().unwrap_or(NEVER_MS)
        });
        (first_ms != NEVER_MS).then_some(Now(first_ms))
    }

    /// Passes on the leases whose time is over, of all partitions.
    pub fn end_fills(&self, now: Now) {
        for (partition, place) in self.places.iter().enumerate() {
            if place.fill_end_ms() <= now.0 {
                self.part(partition as u32, |open| open.end_fills_in_time(now));
            }
        }
    }

    /// What there is and what was counted.
    pub fn fill_counts(&self) -> FillCounts {
        self.crowd.counts()
    }

    /// Does something to a primary's leases, and wakes whom that concerns.
    fn part<R>(&self, partition: u32, parts: impl FnOnce(&mut Partition) -> R) -> Option<R> {
        let place = self.place(partition);
        let mut state = place.state.lock();
        let open = state.open.as_mut()?;
        if open.role != Role::Primary {
            return None;
        }
        let done = parts(open);
        place.publish(open);
        self.publish_fills(place, open);
        let woken = open.woken.take();
        drop(state);
        if let Some(woken) = woken {
            woken.wake();
        }
        Some(done)
    }

    /// To be called under the partition's lock, after its leases have changed.
    pub(crate) fn publish_fills(&self, place: &Place, open: &Partition) {
        let leases = open.fills.as_ref();
        let end_ms = leases.map_or(NEVER_MS, |leases| leases.first_end_ms());
        let before_ms = place.fill_end.swap(end_ms as usize, SeqCst) as u64;
        if end_ms < before_ms {
            self.crowd.ends_at(end_ms);
        }
    }
}

impl Place {
    fn fill_end_ms(&self) -> u64 {
        self.fill_end.load(SeqCst) as u64
    }
}

impl Filled<()> {
    fn map_none<R>(self) -> Filled<R> {
        match self {
            Filled::Found(()) | Filled::Refresh((), _) => {
                unreachable!("whoever asks for a fill has read nothing")
            }
            Filled::Given(token) => Filled::Given(token),
            Filled::Held => Filled::Held,
            Filled::Waits(number) => Filled::Waits(number),
            Filled::Full(full) => Filled::Full(full),
        }
    }
}
