//! A partition's side of it: asking, taking turns, leaving, and what an operation does to
//! the lease of its key.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Waker;

use super::lease::{Lease, Since, Taken, Waiter};
use super::leases::{FIXED_BYTES, Leases, Parted, WAITER_BYTES, lease_bytes};
use super::{Crowd, FillAsk, FillToken, Filled, Full, Turn};
use crate::extras::load_time::LoadTime;
use crate::fairness::MayEvict;
use crate::operations::Stop;
use crate::partition::Partition;
use crate::request::Now;

impl Partition {
    /// The key has no value, or none that this caller takes. Never `Found`. `number`: one
    /// that was not drawn before, and above all that were.
    pub(super) fn ask_fill(
        &mut self,
        key: &[u8],
        ask: &FillAsk,
        crowd: &Arc<Crowd>,
        number: u64,
        now: Now,
        may_evict: MayEvict<'_>,
    ) -> Result<Filled<()>, Stop> {
        self.end_fill_in_time(key, now);
        if self.lease(key).is_some_and(|lease| lease.rests) {
            self.end_fill(key);
        }
        let has_lease = self.lease(key).is_some();
        if !has_lease {
            return self.give_fill(key, ask, crowd, number, now, may_evict);
        }
        if !ask.waits {
            return Ok(Filled::Held);
        }
        self.charge_fill(WAITER_BYTES, now, may_evict)?;
        if !crowd.add_waiter(ask.bounds.waiters_max) {
            self.ledger.refund(WAITER_BYTES);
            crowd.full.fetch_add(1, Relaxed);
            return Ok(Filled::Full(Full::Waiters));
        }
        let waiter = Waiter {
            waker: Waker::noop().clone(),
            lease_ms: ask.lease_ms,
        };
        if let Some(leases) = &mut self.fills {
            leases.add_waiter(key, number, waiter);
        }
        Ok(Filled::Waits(number))
    }

    /// The key has a value that is due. `Given`, or whatever: then another refreshes it, or
    /// nobody does for now.
    pub(super) fn ask_refresh(
        &mut self,
        key: &[u8],
        ask: &FillAsk,
        crowd: &Arc<Crowd>,
        number: u64,
        now: Now,
        may_evict: MayEvict<'_>,
    ) -> Result<Filled<()>, Stop> {
        self.end_fill_in_time(key, now);
        if self.lease(key).is_some() {
            return Ok(Filled::Held);
        }
        self.give_fill(key, ask, crowd, number, now, may_evict)
    }

    /// Whether another loads the key, or nobody shall for now.
    pub(super) fn is_leased(&self, key: &[u8], now: Now) -> bool {
        self.lease(key).is_some_and(|lease| now.0 < lease.until_ms)
    }

    /// The key has no lease.
    fn give_fill(
        &mut self,
        key: &[u8],
        ask: &FillAsk,
        crowd: &Arc<Crowd>,
        number: u64,
        now: Now,
        may_evict: MayEvict<'_>,
    ) -> Result<Filled<()>, Stop> {
        let full = Ok(Filled::Full(Full::Leases));
        let leases = self.fills.as_ref().map_or(0, |leases| leases.len());
        if leases >= ask.bounds.partition_leases_max {
            crowd.full.fetch_add(1, Relaxed);
            return full;
        }
        let fixed_bytes = if leases == 0 { FIXED_BYTES } else { 0 };
        let bytes = fixed_bytes + lease_bytes(key.len());
        self.charge_fill(bytes, now, may_evict)?;
        if !crowd.add_lease(ask.bounds.leases_max) {
            self.ledger.refund(bytes);
            crowd.full.fetch_add(1, Relaxed);
            return full;
        }
        let since = self.since(now);
        let leases = self
            .fills
            .get_or_insert_with(|| Box::new(Leases::new(Arc::clone(crowd))));
        let taken = Taken {
            holder: ask.holder,
            secret: ask.secret,
        };
        let until_ms = now.0.saturating_add(ask.lease_ms);
        leases.give(key, number, taken, since, until_ms);
        crowd.given.fetch_add(1, Relaxed);
        Ok(Filled::Given(FillToken {
            epoch: self.epoch,
            number,
            secret: ask.secret,
        }))
    }

    fn charge_fill(&mut self, bytes: usize, now: Now, may_evict: MayEvict<'_>) -> Result<(), Stop> {
        let now_ms = self.own_time_ms(now);
        self.ready_or_shed(now_ms, may_evict, |open| open.ledger.try_charge(bytes))
    }

    /// How it goes with who waits under this number. A token that it is given is taken by
    /// that, with what `ask` says of the holder.
    pub(super) fn fill_turn(
        &mut self,
        key: &[u8],
        number: u64,
        ask: &FillAsk,
        waker: &Waker,
    ) -> Turn {
        let epoch = self.epoch;
        let Some(lease) = self.lease_mut(key) else {
            return Turn::Over;
        };
        if lease.is_kept_for(number) {
            lease.taken = Some(Taken {
                holder: ask.holder,
                secret: ask.secret,
            });
            return Turn::Given(FillToken {
                epoch,
                number,
                secret: ask.secret,
            });
        }
        match lease.waiters.get_mut(&number) {
            Some(waiter) => {
                waiter.waker.clone_from(waker);
                Turn::Waits
            }
            None => Turn::Over,
        }
    }

    /// Who waits under this number does so no longer; what it was given and has not taken
    /// passes on. Returns whether it still waited.
    pub(super) fn leave_fill(&mut self, key: &[u8], number: u64, now: Now) -> bool {
        let mut parted = Parted::default();
        let since = self.since(now);
        let Some(leases) = &mut self.fills else {
            return false;
        };
        let waited = leases.remove_waiter(key, number, &mut parted);
        if leases.get(key).is_some_and(|it| it.is_kept_for(number)) {
            leases.pass_on(key, since, &mut parted);
        }
        self.have_parted(parted);
        waited
    }

    /// Whether a value may be stored with this token.
    pub(crate) fn is_good(&self, key: &[u8], token: FillToken, now: Now) -> bool {
        token.epoch == self.epoch
            && self.lease(key).is_some_and(|lease| {
                let is_taken = |taken: Taken| taken.secret == token.secret;
                lease.number == token.number
                    && lease.taken.is_some_and(is_taken)
                    && now.0 < lease.until_ms
            })
    }

    /// The token is given back. False: it was void. `rest_ms`: the origin failed, and where
    /// there is a value nobody else tries for so long.
    pub(super) fn release_fill(
        &mut self,
        key: &[u8],
        token: FillToken,
        rest_ms: Option<u64>,
        now: Now,
    ) -> bool {
        if !self.is_good(key, token, now) {
            return false;
        }
        let waits = self.lease(key).is_some_and(|it| !it.waiters.is_empty());
        match (rest_ms, &mut self.fills) {
            (Some(rest_ms), Some(leases)) if !waits => {
                leases.rest(key, now.0.saturating_add(rest_ms));
            }
            _ => self.pass_fill_on(key, now),
        }
        true
    }

    /// How long the load took that ends now. The key has a lease.
    pub(crate) fn load_time(&self, key: &[u8], now: Now) -> LoadTime {
        let lease = self.lease(key);
        let took_ms = lease.map_or(0, |lease| now.0.saturating_sub(lease.since.now_ms));
        LoadTime::of_ms(took_ms)
    }

    /// Behind which operation the key's token was given. The key has a lease.
    pub(crate) fn token_since(&self, key: &[u8]) -> u64 {
        self.lease(key).map_or(0, |lease| lease.since.seq)
    }

    fn since(&self, now: Now) -> Since {
        Since {
            now_ms: now.0,
            seq: self.sequence,
        }
    }

    /// What this one holds passes on. Looks at each lease.
    pub(super) fn release_fills_of(&mut self, holder: u64, now: Now) {
        self.pass_fills_on_where(now, |lease| {
            lease.taken.is_some_and(|taken| taken.holder == holder)
        });
    }

    /// Leases whose time is over pass on. Looks at each.
    pub(super) fn end_fills_in_time(&mut self, now: Now) {
        self.pass_fills_on_where(now, |lease| lease.until_ms <= now.0);
    }

    /// A value was stored: nobody need load it any more.
    #[inline]
    pub(crate) fn value_came(&mut self, key: &[u8]) {
        if self.fills.is_some() {
            self.end_fill(key);
        }
    }

    /// A key was deleted: what was read before is not to be stored any more.
    #[inline]
    pub(crate) fn value_went(&mut self, key: &[u8], now: Now) {
        if self.fills.is_some() {
            self.pass_fill_on(key, now);
        }
    }

    /// The copy is no primary any more, or under another epoch.
    pub(crate) fn end_fills(&mut self) {
        if let Some(leases) = self.fills.take() {
            self.ledger.refund(leases.charged_bytes());
            let woken = self.woken.get_or_insert_default();
            woken.lists.append(&mut leases.into_woken().lists);
        }
    }

    #[cold]
    fn end_fill(&mut self, key: &[u8]) {
        let mut parted = Parted::default();
        if let Some(leases) = &mut self.fills {
            leases.end(key, &mut parted);
        }
        self.have_parted(parted);
    }

    #[cold]
    fn pass_fill_on(&mut self, key: &[u8], now: Now) {
        let mut parted = Parted::default();
        let since = self.since(now);
        if let Some(leases) = &mut self.fills {
            leases.pass_on(key, since, &mut parted);
        }
        self.have_parted(parted);
    }

    fn pass_fills_on_where(&mut self, now: Now, is_over: impl Fn(&Lease) -> bool) {
        let mut parted = Parted::default();
        let since = self.since(now);
        if let Some(leases) = &mut self.fills {
            leases.pass_on_where(since, &mut parted, is_over);
        }
        self.have_parted(parted);
    }

    fn end_fill_in_time(&mut self, key: &[u8], now: Now) {
        if self.lease(key).is_some_and(|lease| lease.until_ms <= now.0) {
            self.pass_fill_on(key, now);
        }
    }

    fn have_parted(&mut self, mut parted: Parted) {
        self.ledger.refund(parted.bytes);
        if self.fills.as_ref().is_some_and(|leases| leases.len() == 0) {
            self.fills = None;
            self.ledger.refund(FIXED_BYTES);
        }
        let (given, lists) = (&mut parted.woken.given, &mut parted.woken.lists);
        if !given.is_empty() || !lists.is_empty() {
            let woken = self.woken.get_or_insert_default();
            woken.given.append(given);
            woken.lists.append(lists);
        }
    }

    /// What the ledger should hold for them.
    pub(crate) fn fills_bytes(&self) -> usize {
        let leases = self.fills.as_ref();
        leases.map_or(0, |leases| leases.charged_bytes())
    }

    fn lease(&self, key: &[u8]) -> Option<&Lease> {
        self.fills.as_ref()?.get(key)
    }

    fn lease_mut(&mut self, key: &[u8]) -> Option<&mut Lease> {
        self.fills.as_mut()?.get_mut(key)
    }
}
