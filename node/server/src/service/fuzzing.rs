//! What is written by hand, or read without decoding, for fuzz targets.

use bytes::{Bytes, BytesMut};
use shoal_protos::v1;

use crate::service::wire::{self, Found, Frame};
use crate::service::{Method, subject as told_of};

/// Where a `GetResponse` stands.
#[derive(Clone, Copy, Debug)]
pub enum Framed {
    /// Alone.
    Bare,
    /// In a `MGetResponse`.
    Entry,
    /// In an `ExecuteResponse`, in this field of `Result`.
    Result(u32),
}

/// How often a field stands in a message. `None`: it is no message.
#[must_use]
pub fn count_fields(field: u32, message: &[u8]) -> Option<usize> {
    wire::count(field, message).ok()
}

/// How many keys or operations a request has, and the key where it is one.
#[must_use]
pub fn subject(method: Method, request: &Bytes) -> (u64, Bytes) {
    told_of(method, request)
}

/// A request with `routed`, its field of this number.
#[must_use]
pub fn with_routed(field: u32, request: &[u8]) -> BytesMut {
    wire::routed(field, request)
}

/// A `GetResponse` as it is written from the engine.
#[must_use]
pub fn get_response(
    framed: Framed,
    status: v1::Status,
    value: &[u8],
    version: v1::Version,
    ttl_ms: i64,
    fresh_ms: i64,
) -> BytesMut {
    let frame = match framed {
        Framed::Bare => Frame::Bare,
        Framed::Entry => Frame::Entry,
        Framed::Result(field) => Frame::Result(field),
    };
    let mut out = BytesMut::new();
    Found {
        status,
        value,
        version,
        ttl_ms,
        maybe_stale: false,
        fresh_ms,
        near_ms: 0,
        is_past_fresh: false,
    }
    .put(frame, &mut out);
    out
}
