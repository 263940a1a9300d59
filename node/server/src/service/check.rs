//! What is checked of every request before anything is done for it.

use std::time::Duration;

use shoal_engine::{Condition, FillToken, Position, RequestId, TagList};
use shoal_protos::v1;

use crate::commit::Ack;
use crate::failure::Failure;
use crate::node::{Node, Reader};

pub(super) fn key(node: &Node, key: &[u8]) -> Result<(), Failure> {
    if key.is_empty() {
        return Err(Failure::KeyEmpty);
    }
    if key.len() > node.key_bytes_max {
        return Err(Failure::KeyTooLong {
            bytes: key.len(),
            max: node.key_bytes_max,
        });
    }
    Ok(())
}

pub(super) fn value(node: &Node, value: &[u8]) -> Result<(), Failure> {
    if value.len() > node.value_bytes_max {
        return Err(Failure::ValueTooLarge {
            bytes: value.len(),
            max: node.value_bytes_max,
        });
    }
    Ok(())
}

/// A time in ms that may be none, as the engine takes it.
pub(super) fn ttl(node: &Node, field: &'static str, ms: i64) -> Result<u64, Failure> {
    let max = node.limits.ttl_ms_max;
    match u64::try_from(ms) {
        Err(_) => Err(Failure::TtlNegative { field, ms }),
        Ok(_) if ms > max => Err(Failure::Overflow(format!(
            "{field} is {ms} and may be {max}, a hundred years: leave it out to keep the entry"
        ))),
        Ok(ms) => Ok(ms),
    }
}

/// When to answer a write; `default` where it does not say.
pub(super) fn ack(ack: i32, default: Ack) -> Result<Ack, Failure> {
    match v1::Ack::try_from(ack) {
        Ok(v1::Ack::Unspecified) => Ok(default),
        Ok(v1::Ack::Primary) => Ok(Ack::Primary),
        Ok(v1::Ack::InSync) => Ok(Ack::InSync),
        Err(_) => Err(unknown("ack", ack)),
    }
}

/// Who may answer a read. A copy that does not reach `at_least` may not.
pub(super) fn reader(read: i32, at_least: Option<v1::Version>) -> Result<Reader, Failure> {
    match v1::ReadMode::try_from(read) {
        Ok(v1::ReadMode::Unspecified | v1::ReadMode::Primary) => Ok(Reader::Primary),
        Ok(v1::ReadMode::Any) => Ok(Reader::Any {
            at_least: at_least.map_or_else(Position::default, |version| Position {
                epoch: version.epoch,
                seq: version.seq,
            }),
        }),
        Err(_) => Err(unknown("read", read)),
    }
}

/// What a caller asks of a fill.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fill {
    /// How long to load.
    pub(super) lease: Duration,
    /// How long to wait for another who does.
    pub(super) wait: Duration,
    /// How eagerly to refresh.
    pub(super) beta: f64,
    pub(super) fresh_only: bool,
    pub(super) refresh_only: bool,
}

pub(super) fn fill(node: &Node, fill: v1::Fill) -> Result<Fill, Failure> {
    const BETA_MAX: f64 = 100.0;
    let limits = &node.limits;
    let lease = match time(fill.lease_ms, "fill.lease_ms", limits.fill_lease_max)? {
        Duration::ZERO => limits.fill_lease_default,
        lease => lease,
    };
    let wait = time(fill.wait_ms, "fill.wait_ms", limits.fill_wait_max)?;
    let beta = fill.beta.unwrap_or(1.0);
    if fill.refresh_only && (fill.fresh_only || fill.wait_ms > 0) {
        return Err(Failure::Malformed(
            "fill.refresh_only waits for nothing: leave wait_ms and fresh_only out beside it"
                .into(),
        ));
    }
    if !(0.0..=BETA_MAX).contains(&beta) {
        return Err(Failure::Malformed(format!(
            "fill.beta is {beta} and may be 0 to {BETA_MAX}: leave it out for 1"
        )));
    }
    Ok(Fill {
        lease,
        wait,
        beta,
        fresh_only: fill.fresh_only,
        refresh_only: fill.refresh_only,
    })
}

/// For how long nobody refreshes a value whose origin has failed. None: it has not.
pub(super) fn rest(node: &Node, asked: &v1::ReleaseFillRequest) -> Result<Option<u64>, Failure> {
    const DEFAULT: Duration = Duration::from_secs(1);
    let max = node.limits.fill_lease_max;
    let rest = match time(asked.backoff_ms, "backoff_ms", max)? {
        Duration::ZERO => DEFAULT,
        rest => rest,
    };
    let rest_ms = u64::try_from(rest.as_millis()).unwrap_or(u64::MAX);
    Ok(asked.failed.then_some(rest_ms))
}

/// How long a value is fresh, if that is told.
pub(super) fn fresh(node: &Node, asked: &v1::SetRequest) -> Result<u64, Failure> {
    let fresh_ms = ttl(node, "fresh_ms", asked.fresh_ms)?;
    if asked.ttl_ms > 0 && asked.fresh_ms > asked.ttl_ms {
        return Err(Failure::BadCondition(
            "fresh_ms is above ttl_ms, and past that there is no value: give the value a longer \
             ttl_ms, or a shorter fresh_ms",
        ));
    }
    Ok(fresh_ms)
}

fn time(ms: i64, field: &'static str, max: Duration) -> Result<Duration, Failure> {
    match u64::try_from(ms).map(Duration::from_millis) {
        Err(_) => Err(Failure::TtlNegative { field, ms }),
        Ok(time) if time > max => Err(Failure::Overflow(format!(
            "{field} is {ms} and may be {}: ask again where it takes longer",
            max.as_millis()
        ))),
        Ok(time) => Ok(time),
    }
}

/// The token that a miss was answered with; empty: none. What no node gives is as good as
/// one that is void.
pub(super) fn fill_token(token: &[u8]) -> Result<Option<FillToken>, Failure> {
    if token.is_empty() {
        return Ok(None);
    }
    let token = FillToken::from_bytes(token).ok_or(Failure::FillTokenVoid)?;
    Ok(Some(token))
}

/// The tags of an entry.
pub(super) fn tags(tags: &[String]) -> Result<TagList, Failure> {
    TagList::new(tags.iter().map(String::as_bytes)).map_err(Failure::from)
}

pub(super) fn tag(tag: &str) -> Result<(), Failure> {
    TagList::new([tag.as_bytes()]).map_err(Failure::from)?;
    Ok(())
}

/// The id by which a repeated request is known; empty: it has none.
pub(super) fn request_id(id: &[u8]) -> Result<Option<RequestId<'_>>, Failure> {
    if id.is_empty() {
        return Ok(None);
    }
    match RequestId::new(id) {
        Some(id) => Ok(Some(id)),
        None => Err(Failure::Malformed(format!(
            "request_id has {} bytes: give 1 to 64, random ones, or leave it out",
            id.len()
        ))),
    }
}

pub(super) fn condition(asked: Option<&v1::Condition>) -> Result<Option<Condition>, Failure> {
    use v1::condition::Test;
    let Some(asked) = asked else { return Ok(None) };
    match asked.test {
        Some(Test::IfAbsent(true)) => Ok(Some(Condition::IfAbsent)),
        Some(Test::IfPresent(true)) => Ok(Some(Condition::IfPresent)),
        Some(Test::IfAbsent(false) | Test::IfPresent(false)) => Err(Failure::BadCondition(
            "if_absent and if_present are true or left out: to ask for the contrary, name the \
             other one",
        )),
        Some(Test::IfVersion(version)) if version.epoch == 0 => Err(Failure::BadCondition(
            "if_version has epoch 0, which no entry has: give a version that a node answered, or \
             ask if_absent",
        )),
        Some(Test::IfVersion(v1::Version { epoch, seq })) => {
            Ok(Some(Condition::IfVersion(shoal_engine::Version {
                epoch,
                seq,
            })))
        }
        None => Err(Failure::BadCondition(
            "the condition tests nothing: leave it out, or set if_absent, if_present or if_version",
        )),
    }
}

pub(super) fn batch(node: &Node, what: &str, count: usize) -> Result<(), Failure> {
    let max = node.limits.batch_max;
    if count > max {
        return Err(Failure::BatchTooLarge(format!(
            "the request has {count} {what} and may have {max}: send it in parts"
        )));
    }
    Ok(())
}

fn unknown(field: &str, value: i32) -> Failure {
    Failure::Malformed(format!(
        "{field} is {value}, which names nothing: use a value of the enum"
    ))
}
