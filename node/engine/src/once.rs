//! Writes that are tied to something: to the id of a request, and then they count once; to
//! a fill token, and then only where it is good.

use crate::engine::Engine;
use crate::extras::load_time::LoadTime;
use crate::fills::FillToken;
use crate::refused::Refused;
use crate::replication::{Aim, Once, RequestId};
use crate::request::{Increment, Incremented, Now, SetOutcome, Write};

impl Engine {
    /// As [`Engine::set`], once: a request that was applied under this id is answered
    /// with the version that it had.
    pub fn set_once(
        &self,
        partition: u32,
        key: &[u8],
        write: Write<'_>,
        request: Option<RequestId<'_>>,
        now: Now,
    ) -> Result<Once<SetOutcome>, Refused> {
        if request.is_none() {
            return self.set(partition, key, write, now).map(Once::fresh);
        }
        self.set_with(partition, key, write, request, None, now)
    }

    /// Once, where there is an id; with a token, only where that is good.
    pub(crate) fn set_with(
        &self,
        partition: u32,
        key: &[u8],
        write: Write<'_>,
        request: Option<RequestId<'_>>,
        token: Option<FillToken>,
        now: Now,
    ) -> Result<Once<SetOutcome>, Refused> {
        if write.value.len() > self.settings.value_bytes_max {
            return Err(Refused::ValueTooLarge);
        }
        let body = self.body(partition, key, &write);
        self.write(partition, key, now, |open, may_evict| {
            let now_ms = open.own_time_ms(now);
            let aim = || Aim::new(key, false);
            if let Some(came) = request.and_then(|id| open.came_to(id, aim(), now_ms)) {
                let outcome = SetOutcome::Applied(open.version_of(came.seq));
                return Ok(Once {
                    outcome,
                    repeated: true,
                });
            }
            let mut load = LoadTime::default();
            if let Some(token) = token {
                if !open.is_good(key, token, now) {
                    return Err(Refused::TokenVoid.into());
                }
                if open.is_invalidated(write.tags, open.token_since(key)) {
                    open.value_went(key, now);
                    return Err(Refused::TokenVoid.into());
                }
                load = open.load_time(key, now);
            }
            let outcome = open.set(key, &write, body.as_ref(), load, request, now, may_evict)?;
            Ok(Once::fresh(outcome))
        })
    }

    /// As [`Engine::incr`], once: a request that was applied under this id is answered
    /// with the sum and the version that it had.
    pub fn incr_once(
        &self,
        partition: u32,
        key: &[u8],
        add: Increment,
        request: Option<RequestId<'_>>,
        now: Now,
    ) -> Result<Once<Incremented>, Refused> {
        let Some(id) = request else {
            return self.incr(partition, key, add, now).map(Once::fresh);
        };
        self.write(partition, key, now, |open, may_evict| {
            let now_ms = open.own_time_ms(now);
            if let Some(came) = open.came_to(id, Aim::new(key, true), now_ms)
                && let Some(value) = came.number
            {
                let version = open.version_of(came.seq);
                return Ok(Once {
                    outcome: Incremented { value, version },
                    repeated: true,
                });
            }
            let outcome = open.incr(key, &add, request, now, may_evict)?;
            Ok(Once::fresh(outcome))
        })
    }
}
