//! The engine: a place for each partition, each behind a lock of its own.
//!
//! This file is the surface and nothing more: it checks limits, takes the lock,
//! calls the partition, and asks [`crate::fairness`] when memory is short.
//!
//! Lock order: nobody ever holds two partitions' locks. Where one partition needs
//! memory of another, its lock is released first and the operation begins anew
//! afterwards. The account is an atomic and is taken under any lock.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::eviction::{Order, POLICY_BYTES_MAX};
use crate::extras::load_time::LoadTime;
use crate::fairness::MayEvict;
use crate::fills::Crowd;
use crate::index::Keyed;
use crate::memory::Account;
use crate::operations::Stop;
use crate::partition::Partition;
use crate::place::Place;
use crate::refused::{AlreadyOpen, NotOpen, Refused};
use crate::replication::Role;
use crate::request::{
    Deleted, Entry, Increment, Incremented, KeyHash, Now, SetOutcome, Version, Write,
};
use crate::room::Reclaimed;
use crate::settings::{KEY_BYTES_LIMIT, Settings, VALUE_BYTES_LIMIT};
use crate::stats::{Stats, Tally};
use crate::sync::{AtomicU32, AtomicUsize, Seats};
use crate::work::Work;

/// All partitions of a node. Share it behind an `Arc`; every method takes `&self`.
pub struct Engine {
    pub(crate) settings: Settings,
    pub(crate) account: Arc<Account>,
    /// Who has waited longest, over all partitions.
    pub(crate) order: Arc<Order>,
    pub(crate) places: Box<[Place]>,
    pub(crate) open_count: AtomicU32,
    /// An [`crate::settings::Eviction`], by its number.
    pub(crate) eviction: AtomicU32,
    /// Where the search for a partition that gives memory begins.
    pub(crate) hand: AtomicUsize,
    /// What numbers are drawn from that must differ.
    pub(crate) births: AtomicUsize,
    /// Of a partition's log, in bytes; 0: the engine says.
    pub(crate) log_limit: AtomicUsize,
    pub(crate) crowd: Arc<Crowd>,
    pub(crate) keyed: Keyed,
}

impl Engine {
    /// Every partition is closed. Allocates the fixed part of the account.
    pub fn new(mut settings: Settings) -> Engine {
        settings.key_bytes_max = settings.key_bytes_max.min(KEY_BYTES_LIMIT);
        settings.value_bytes_max = settings.value_bytes_max.min(VALUE_BYTES_LIMIT);
        let seats = Arc::new(Seats::new(settings.partition_count));
        let places: Box<[Place]> = (0..settings.partition_count)
            .map(|partition| Place::new(Arc::clone(&seats), partition))
            .collect();
        let fixed_bytes = size_of_val(&*places) + places.len() * POLICY_BYTES_MAX;
        Engine {
            account: Arc::new(Account::new(settings.maxmemory_bytes, fixed_bytes)),
            order: Arc::new(Order::new(
                settings.maxmemory_bytes.saturating_sub(fixed_bytes),
            )),
            places,
            open_count: AtomicU32::new(0),
            eviction: AtomicU32::new(settings.eviction as u32),
            hand: AtomicUsize::new(0),
            births: AtomicUsize::new(0),
            log_limit: AtomicUsize::new(0),
            crowd: Arc::default(),
            keyed: Keyed::new(settings.hash_seed),
            settings,
        }
    }

    /// Opens a partition, empty, for writes under `epoch`. Panics, as every method
    /// does, where `partition` is not below the partition count.
    pub fn open(&self, partition: u32, epoch: u64) -> Result<(), AlreadyOpen> {
        self.open_as(partition, epoch, Role::Primary)
    }

    pub(crate) fn open_as(
        &self,
        partition: u32,
        epoch: u64,
        role: Role,
    ) -> Result<(), AlreadyOpen> {
        let place = self.place(partition);
        let mut state = place.state.lock();
        if state.open.is_some() {
            return Err(AlreadyOpen);
        }
        let open = state.open.insert(self.partition(epoch, role));
        self.open_count.fetch_add(1, Relaxed);
        place.publish(open);
        Ok(())
    }

    /// An empty one.
    pub(crate) fn partition(&self, epoch: u64, role: Role) -> Partition {
        let account = Arc::clone(&self.account);
        let order = Arc::clone(&self.order);
        let (eviction, keyed) = (self.eviction(), self.keyed.clone());
        Partition::new(epoch, role, self.birth(), eviction, keyed, account, order)
    }

    /// Closes a partition and drops its data; false where it was closed. The lock is
    /// released before anything is freed, so nobody waits for that but the caller.
    pub fn close(&self, partition: u32) -> bool {
        let place = self.place(partition);
        let mut state = place.lock_counted();
        let Some(mut closed) = state.open.take() else {
            return false;
        };
        state.retired += closed.tally;
        closed.end_fills();
        place.publish_closed();
        self.open_count.fetch_sub(1, Relaxed);
        drop(state);
        if let Some(woken) = closed.woken.take() {
            woken.wake();
        }
        drop(closed);
        true
    }

    /// The epoch that the partition is primary under. None: it is closed, or follows.
    pub fn epoch(&self, partition: u32) -> Option<u64> {
        self.place(partition)
            .state
            .lock()
            .open
            .as_ref()
            .filter(|open| open.role == Role::Primary)
            .map(|open| open.epoch)
    }

    /// Reads a key. `read` runs under the partition's lock, on borrowed bytes: copy
    /// what you need, once, and do not call the engine from it. Where many read, several
    /// may be in there side by side.
    ///
    /// Ok(None) is a miss; an entry whose time is over is one.
    pub fn get<R>(
        &self,
        partition: u32,
        key: &[u8],
        now: Now,
        read: impl FnOnce(Entry<'_>) -> R,
    ) -> Result<Option<R>, NotOpen> {
        self.get_hashed(partition, self.hash(key), key, now, read)
    }

    /// As [`Engine::get`], for callers that know the key's hash by [`Engine::hash`].
    #[inline]
    pub fn get_hashed<R>(
        &self,
        partition: u32,
        hash: KeyHash,
        key: &[u8],
        now: Now,
        read: impl FnOnce(Entry<'_>) -> R,
    ) -> Result<Option<R>, NotOpen> {
        debug_assert_eq!(hash, self.hash(key));
        let place = self.place(partition);
        let mut read = Some(read);
        let mut read = |entry: Entry<'_>| read.take().map(|read| read(entry));
        let found = place.look(|open| open.look(hash.0, key, now, &mut read));
        if found.is_some() {
            return Ok(found);
        }
        let mut state = place.state.lock_to_read();
        let open = state.open.as_mut().ok_or(NotOpen)?;
        if open.role == Role::Restoring {
            return Err(NotOpen);
        }
        Ok(open.get_hashed(hash.0, key, now).and_then(read))
    }

    /// Stores a value, whole.
    pub fn set(
        &self,
        partition: u32,
        key: &[u8],
        write: Write<'_>,
        now: Now,
    ) -> Result<SetOutcome, Refused> {
        if write.value.len() > self.settings.value_bytes_max {
            return Err(Refused::ValueTooLarge);
        }
        let body = self.body(partition, key, &write);
        let body = body.as_ref();
        self.write(partition, key, now, |open, may_evict| {
            open.set(key, &write, body, LoadTime::default(), None, now, may_evict)
        })
    }

    /// Removes a key. Takes a sequence whether or not it was there.
    pub fn delete(&self, partition: u32, key: &[u8], now: Now) -> Result<Deleted, Refused> {
        self.write(partition, key, now, |open, _| Ok(open.delete(key, now)))
    }

    /// Adds to a decimal integer; a key without a value becomes `initial + delta`.
    pub fn incr(
        &self,
        partition: u32,
        key: &[u8],
        add: Increment,
        now: Now,
    ) -> Result<Incremented, Refused> {
        self.write(partition, key, now, |open, may_evict| {
            open.incr(key, &add, None, now, may_evict)
        })
    }

    /// Gives an entry a new time to live, 0 for none. Some: its version, unchanged.
    pub fn touch(
        &self,
        partition: u32,
        key: &[u8],
        ttl_ms: u64,
        now: Now,
    ) -> Result<Option<Version>, Refused> {
        self.write(partition, key, now, |open, may_evict| {
            open.touch(key, ttl_ms, now, may_evict)
        })
    }

    /// Removes entries whose time is over; returns how many, at most `budget`. Looks
    /// at no other entries but those that come nearer in the wheel, at most eight
    /// times `budget`. An entry is found within 128 ms of its deadline if this is
    /// called often enough; reads do not depend on it. A follower removes nothing but what
    /// is void by its tags.
    pub fn reclaim_expired(&self, partition: u32, now: Now, budget: usize) -> usize {
        self.reclaim(partition, now, budget).entries
    }

    /// As [`Engine::reclaim_expired`], and says whether there may be more: then call it
    /// again soon, after letting others have their turn.
    pub fn reclaim(&self, partition: u32, now: Now, budget: usize) -> Reclaimed {
        let place = self.place(partition);
        let mut state = place.state.lock();
        let Some(open) = state.open.as_mut() else {
            return Reclaimed::default();
        };
        let now_ms = open.own_time_ms(now);
        let reclaimed = open.reclaim(now_ms, budget);
        if open.role == Role::Primary {
            open.lengthen_log(self.log_limit_bytes(), now_ms);
        }
        place.publish(open);
        let given_up = open.ledger.take_given_up();
        drop(state);
        drop(given_up);
        reclaimed
    }

    /// How much was done under the partition's lock since it was opened. None: closed.
    pub fn work(&self, partition: u32) -> Option<Work> {
        let state = self.place(partition).state.lock();
        state.open.as_ref().map(|open| open.work)
    }

    /// What was counted so far. Takes each partition's lock for a moment.
    pub fn stats(&self) -> Stats {
        let mut tally = Tally::default();
        let mut stats = Stats {
            memory_bytes: self.account.used_bytes() as u64,
            maxmemory_bytes: self.settings.maxmemory_bytes as u64,
            ..Stats::default()
        };
        for place in &self.places {
            let state = place.lock_counted();
            tally += state.retired;
            if let Some(open) = &state.open {
                tally += open.tally;
                stats.entries += open.entries as u64;
                stats.waste_bytes += open.heap.waste_bytes() as u64;
                stats.open_partitions += 1;
            }
        }
        stats.hits = tally.hits;
        stats.misses = tally.misses;
        stats.evicted = tally.evicted;
        stats.expired = tally.expired;
        stats.memory_full = tally.memory_full;
        stats
    }

    /// Walks every invariant of a partition; Err tells which one is broken. For tests:
    /// it holds the lock while it reads everything.
    pub fn validate(&self, partition: u32) -> Result<(), String> {
        let place = self.place(partition);
        let state = place.state.lock();
        let Some(open) = &state.open else {
            return Ok(());
        };
        if place.held_bytes.load(Relaxed) != open.ledger.held_bytes() {
            return Err("what the place says is not what the ledger holds".into());
        }
        if self.account.used_bytes() > self.settings.maxmemory_bytes.max(self.fixed_bytes()) {
            return Err("the account is overdrawn".into());
        }
        open.validate()
    }

    /// What the account holds before the first write.
    pub fn fixed_bytes(&self) -> usize {
        size_of_val(&*self.places) + self.places.len() * POLICY_BYTES_MAX
    }

    pub(crate) fn place(&self, partition: u32) -> &Place {
        &self.places[partition as usize]
    }

    pub(crate) fn write<R>(
        &self,
        partition: u32,
        key: &[u8],
        now: Now,
        operation: impl FnMut(&mut Partition, MayEvict<'_>) -> Result<R, Stop>,
    ) -> Result<R, Refused> {
        if key.is_empty() {
            return Err(Refused::KeyEmpty);
        }
        if key.len() > self.settings.key_bytes_max {
            return Err(Refused::KeyTooLong);
        }
        self.write_to(partition, now, operation)
    }

    /// Of no key.
    pub(crate) fn write_to<R>(
        &self,
        partition: u32,
        now: Now,
        mut operation: impl FnMut(&mut Partition, MayEvict<'_>) -> Result<R, Stop>,
    ) -> Result<R, Refused> {
        let place = self.place(partition);
        let mut search = self.search(partition);
        loop {
            let mut state = place.state.lock();
            let open = state.open.as_mut().ok_or(Refused::NotOpen)?;
            if open.role != Role::Primary {
                return Err(Refused::NotOpen);
            }
            open.leaves_ahead = search.leaves_ahead();
            let result = operation(open, search.may_evict());
            place.publish(open);
            let given_up = open.ledger.take_given_up();
            if open.fills.is_some() || open.woken.is_some() {
                self.publish_fills(place, open);
                let woken = open.woken.take();
                drop(state);
                woken.into_iter().for_each(|woken| woken.wake());
            } else {
                drop(state);
            }
            drop(given_up);
            let (why, bytes) = match result {
                Ok(done) => return Ok(done),
                Err(Stop::Refused(refused)) => return Err(refused),
                Err(Stop::Short { why, bytes }) => (why, bytes),
            };
            if !search.find(why, bytes, now) {
                if let Some(open) = &mut place.state.lock().open {
                    open.tally.memory_full += 1;
                }
                return Err(Refused::MemoryFull);
            }
        }
    }
}
