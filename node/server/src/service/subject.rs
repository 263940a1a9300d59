//! What a request is about, for who tells of it afterwards: how many keys or operations
//! it has and, where it is one, which key. Read from the bytes, decoding nothing else.

use bytes::{Buf, Bytes};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use crate::service::Method;

/// The number of keys or operations, and the key where there is one. A request that
/// cannot be read has what could be read of it.
pub(crate) fn subject(method: Method, request: &Bytes) -> (u64, Bytes) {
    let (field, is_key) = match method {
        Method::Get | Method::Set | Method::Incr | Method::Touch => (1, true),
        Method::ReleaseFill | Method::Del | Method::MGet => (1, true),
        Method::MSet => (1, false),
        Method::Execute => (2, false),
        Method::InvalidateTag | Method::WatchTopology | Method::WatchInvalidations => {
            return (0, Bytes::new());
        }
    };
    let (count, last) = occurrences(field, request.clone());
    let is_told = is_key && count == 1;
    (count, if is_told { last } else { Bytes::new() })
}

/// How often a field of bytes stands in a message, and what it holds the last time.
fn occurrences(field: u32, mut message: Bytes) -> (u64, Bytes) {
    let mut count = 0;
    let mut last = Bytes::new();
    while message.has_remaining() {
        let Ok((tag, wire_type)) = decode_key(&mut message) else {
            break;
        };
        if tag == field && wire_type == WireType::LengthDelimited {
            let Some(length) = decode_varint(&mut message)
                .ok()
                .and_then(|length| usize::try_from(length).ok())
                .filter(|&length| length <= message.len())
            else {
                break;
            };
            last = message.split_to(length);
            count += 1;
        } else if skip_field(wire_type, tag, &mut message, DecodeContext::default()).is_err() {
            break;
        }
    }
    (count, last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;
    use shoal_protos::v1;

    fn keys(keys: &[&'static [u8]]) -> Vec<Bytes> {
        keys.iter().map(|key| Bytes::from_static(key)).collect()
    }

    fn told(method: Method, request: &impl Message) -> (u64, Vec<u8>) {
        let (count, key) = subject(method, &request.encode_to_vec().into());
        (count, key.to_vec())
    }

    #[test]
    fn one_key_is_told_and_of_many_their_number() {
        let set = v1::SetRequest {
            key: Bytes::from_static(b"k"),
            value: Bytes::from_static(b"v"),
            ttl_ms: 7,
            ..Default::default()
        };
        assert_eq!(told(Method::Set, &set), (1, b"k".to_vec()));
        let del = |keys| v1::DelRequest {
            keys,
            ..Default::default()
        };
        assert_eq!(told(Method::Del, &del(keys(&[b"a"]))), (1, b"a".to_vec()));
        assert_eq!(told(Method::Del, &del(keys(&[b"a", b"b"]))), (2, vec![]));
        let mset = v1::MSetRequest {
            entries: vec![set],
            ..Default::default()
        };
        assert_eq!(told(Method::MSet, &mset), (1, vec![]));
        let execute = v1::ExecuteRequest {
            id: 1,
            operations: vec![v1::Operation::default(); 3],
            routed: false,
        };
        assert_eq!(told(Method::Execute, &execute), (3, vec![]));
    }

    #[test]
    fn garbage_is_about_nothing() {
        for garbage in [&b"\xff\xff\xff"[..], b"\x0a\xff\xff\xff\x7fx", b"\x0a", b""] {
            let (_, key) = subject(Method::Get, &Bytes::from_static(garbage));
            assert!(key.is_empty());
        }
    }
}
