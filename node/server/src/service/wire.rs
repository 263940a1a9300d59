//! Writing responses: the frames that messages stand in, and the one message that
//! is written by hand so that a value is copied once, straight from the engine.

use bytes::BytesMut;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};
use prost::{DecodeError, Message, encoding};
use shoal_protos::v1;

/// What a message is written into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// Nothing: the message is the response.
    Bare,
    /// `MGetResponse.entries` and `MSetResponse.results`.
    Entry,
    /// `ExecuteResponse.results`, in this field of `Result`.
    Result(u32),
}

const ENTRY: u32 = 1;
const RESULTS: u32 = 2;
/// Of `GetResponse`.
const NEAR_MS: u32 = 6;

impl Frame {
    /// Write what stands before a message of so many bytes.
    fn open(self, bytes: usize, out: &mut BytesMut) {
        match self {
            Frame::Bare => out.reserve(bytes),
            Frame::Entry => open_field(ENTRY, bytes, out),
            Frame::Result(field) => {
                open_field(RESULTS, field_len(field, bytes), out);
                open_field(field, bytes, out);
            }
        }
    }

    /// Write a whole message.
    pub(super) fn put(self, message: &impl Message, out: &mut BytesMut) {
        self.open(message.encoded_len(), out);
        message.encode_raw(out);
    }
}

fn open_field(field: u32, bytes: usize, out: &mut BytesMut) {
    out.reserve(bytes + 16);
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(bytes as u64, out);
}

fn field_len(field: u32, bytes: usize) -> usize {
    encoding::key_len(field) + encoded_len_varint(bytes as u64) + bytes
}

/// A `GetResponse` whose value is still the engine's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub(super) status: v1::Status,
    pub(super) value: &'a [u8],
    pub(super) version: v1::Version,
    pub(super) ttl_ms: i64,
    pub(super) maybe_stale: bool,
    pub(super) fresh_ms: i64,
    pub(super) near_ms: i64,
    /// Not told: that the time for which it was fresh is over.
    pub(super) is_past_fresh: bool,
}

impl Found<'_> {
    pub(super) fn put(&self, frame: Frame, out: &mut BytesMut) {
        let status = self.status as i32;
        let mut bytes = encoding::int32::encoded_len(1, &status)
            + encoding::message::encoded_len(3, &self.version);
        if !self.value.is_empty() {
            bytes += field_len(2, self.value.len());
        }
        if self.ttl_ms != 0 {
            bytes += encoding::int64::encoded_len(4, &self.ttl_ms);
        }
        if self.near_ms != 0 {
            bytes += encoding::int64::encoded_len(NEAR_MS, &self.near_ms);
        }
        if self.maybe_stale {
            bytes += encoding::bool::encoded_len(8, &true);
        }
        if self.fresh_ms != 0 {
            bytes += encoding::int64::encoded_len(9, &self.fresh_ms);
        }
        frame.open(bytes, out);
        encoding::int32::encode(1, &status, out);
        if !self.value.is_empty() {
            open_field(2, self.value.len(), out);
            out.extend_from_slice(self.value);
        }
        encoding::message::encode(3, &self.version, out);
        if self.ttl_ms != 0 {
            encoding::int64::encode(4, &self.ttl_ms, out);
        }
        if self.near_ms != 0 {
            encoding::int64::encode(NEAR_MS, &self.near_ms, out);
        }
        if self.maybe_stale {
            encoding::bool::encode(8, &true, out);
        }
        if self.fresh_ms != 0 {
            encoding::int64::encode(9, &self.fresh_ms, out);
        }
    }
}

/// Add a fill token to a `GetResponse` that was written bare.
pub(super) fn add_fill_token(token: &[u8], out: &mut BytesMut) {
    open_field(5, token.len(), out);
    out.extend_from_slice(token);
}

/// Add a grant to a `GetResponse` that was written bare; 0: none.
pub(super) fn add_grant(near_ms: i64, out: &mut BytesMut) {
    if near_ms != 0 {
        encoding::int64::encode(NEAR_MS, &near_ms, out);
    }
}

/// How often a field stands in a message, without decoding it: a few bytes on the
/// wire can stand for a large structure in memory.
pub(super) fn count(field: u32, mut message: &[u8]) -> Result<usize, DecodeError> {
    let mut found = 0;
    while !message.is_empty() {
        let (tag, wire_type) = encoding::decode_key(&mut message)?;
        encoding::skip_field(
            wire_type,
            tag,
            &mut message,
            encoding::DecodeContext::default(),
        )?;
        found += usize::from(tag == field);
    }
    Ok(found)
}

/// The request with one more field: `routed = true`. The last one counts.
pub(super) fn routed(field: u32, request: &[u8]) -> BytesMut {
    let mut out = BytesMut::with_capacity(request.len() + 4);
    out.extend_from_slice(request);
    encoding::bool::encode(field, &true, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::{Found, Frame, add_fill_token, add_grant, count, routed};
    use bytes::{Bytes, BytesMut};
    use prost::Message;
    use shoal_protos::v1;

    fn response(
        value: &'static [u8],
        ttl_ms: i64,
        maybe_stale: bool,
        fresh_ms: i64,
        near_ms: i64,
    ) -> v1::GetResponse {
        v1::GetResponse {
            status: v1::Status::Hit as i32,
            value: Bytes::from_static(value),
            version: Some(v1::Version {
                epoch: 3,
                seq: 70_000,
            }),
            ttl_ms,
            maybe_stale,
            fresh_ms,
            near_ms,
            ..Default::default()
        }
    }

    #[test]
    fn what_is_written_by_hand_is_what_prost_writes() {
        let cases = [
            (&b"v"[..], 5, false, 0, 1000),
            (b"", 0, true, 9, 0),
            (&[7; 300], i64::MAX, true, i64::MAX, i64::MAX),
        ];
        for (value, ttl_ms, maybe_stale, fresh_ms, near_ms) in cases {
            let expected = response(value, ttl_ms, maybe_stale, fresh_ms, near_ms);
            let found = Found {
                status: v1::Status::Hit,
                value,
                version: expected.version.unwrap(),
                ttl_ms,
                maybe_stale,
                fresh_ms,
                near_ms,
                is_past_fresh: false,
            };
            let mut bare = BytesMut::new();
            found.put(Frame::Bare, &mut bare);
            assert_eq!(bare, expected.encode_to_vec());
            add_fill_token(b"token", &mut bare);
            add_grant(77, &mut bare);
            add_grant(0, &mut bare);
            let with_both = v1::GetResponse {
                fill_token: Bytes::from_static(b"token"),
                near_ms: 77,
                ..expected.clone()
            };
            assert_eq!(v1::GetResponse::decode(bare.freeze()), Ok(with_both));

            let mut entries = BytesMut::new();
            found.put(Frame::Entry, &mut entries);
            found.put(Frame::Entry, &mut entries);
            let whole = v1::MGetResponse {
                entries: vec![expected.clone(), expected.clone()],
            };
            assert_eq!(entries, whole.encode_to_vec());

            let mut results = BytesMut::new();
            found.put(Frame::Result(1), &mut results);
            let result = v1::Result {
                result: Some(v1::result::Result::Get(expected)),
            };
            let whole = v1::ExecuteResponse {
                results: vec![result],
                ..Default::default()
            };
            assert_eq!(results, whole.encode_to_vec());
        }
    }

    #[test]
    fn fields_are_counted_without_decoding() {
        let keys = vec![
            Bytes::from_static(b"a"),
            Bytes::new(),
            Bytes::from_static(b"c"),
        ];
        let request = v1::DelRequest {
            keys,
            routed: true,
            ack: 2,
        }
        .encode_to_vec();
        assert_eq!(count(1, &request).unwrap(), 3);
        assert!(count(1, b"\x0a\xff").is_err());
    }

    #[test]
    fn routed_is_added_and_wins() {
        let request = v1::GetRequest {
            key: Bytes::from_static(b"k"),
            ..Default::default()
        };
        let bytes = routed(5, &request.encode_to_vec());
        let decoded = v1::GetRequest::decode(bytes.freeze()).unwrap();
        assert_eq!(
            decoded,
            v1::GetRequest {
                routed: true,
                ..request
            }
        );
    }
}
