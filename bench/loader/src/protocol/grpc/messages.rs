//! The requests of `shoal.v1.Cache` that this load sends, and what answers must hold.

use super::wire::{Fields, Held, bytes_head, field_bytes, varint, varint_bytes};
use crate::arguments::{Shape, Verb};
use crate::work::Work;

/// `Status.HIT`.
const HIT: u64 = 1;

/// The path of the method that this load calls.
pub(super) fn path(verb: Verb, shape: Shape) -> &'static str {
    match (verb, shape) {
        (Verb::Get, Shape::Single) => "/shoal.v1.Cache/Get",
        (Verb::Set, Shape::Single) => "/shoal.v1.Cache/Set",
        (Verb::Get, Shape::Many) => "/shoal.v1.Cache/MGet",
        (Verb::Set, Shape::Many) => "/shoal.v1.Cache/MSet",
        (_, Shape::Batch) => "/shoal.v1.Cache/Execute",
    }
}

/// Append the request message; `id` is that of an `ExecuteRequest`.
pub(super) fn request(keys: &[u64], id: u64, work: &Work, out: &mut Vec<u8>) {
    let ttl_ms = work.ttl_ms();
    match (work.verb, work.shape) {
        (Verb::Get, Shape::Single | Shape::Many) => {
            // GetRequest.key and MGetRequest.keys have the same number.
            keys.iter().for_each(|&key| key_field(key, work, out));
        }
        (Verb::Set, Shape::Single) => keys.iter().for_each(|&key| set(key, ttl_ms, work, out)),
        (Verb::Set, Shape::Many) => {
            for &key in keys {
                bytes_head(1, set_bytes(ttl_ms, work), out);
                set(key, ttl_ms, work, out);
            }
        }
        (verb, Shape::Batch) => {
            varint(1 << 3, out);
            varint(id, out);
            for &key in keys {
                operation(verb, key, ttl_ms, work, out);
            }
        }
    }
}

fn operation(verb: Verb, key: u64, ttl_ms: u64, work: &Work, out: &mut Vec<u8>) {
    let (field, length) = match verb {
        Verb::Get => (1, field_bytes(work.texts.key_bytes)),
        Verb::Set => (2, set_bytes(ttl_ms, work)),
    };
    bytes_head(2, field_bytes(length), out);
    bytes_head(field, length, out);
    match verb {
        Verb::Get => key_field(key, work, out),
        Verb::Set => set(key, ttl_ms, work, out),
    }
}

fn key_field(key: u64, work: &Work, out: &mut Vec<u8>) {
    bytes_head(1, work.texts.key_bytes, out);
    work.texts.key(key, out);
}

/// A `SetRequest`.
fn set(key: u64, ttl_ms: u64, work: &Work, out: &mut Vec<u8>) {
    key_field(key, work, out);
    bytes_head(2, work.texts.value_bytes, out);
    work.texts.value(key, out);
    if ttl_ms > 0 {
        varint(3 << 3, out);
        varint(ttl_ms, out);
    }
}

fn set_bytes(ttl_ms: u64, work: &Work) -> usize {
    let ttl = if ttl_ms > 0 {
        1 + varint_bytes(ttl_ms)
    } else {
        0
    };
    field_bytes(work.texts.key_bytes) + field_bytes(work.texts.value_bytes) + ttl
}

/// Verify the response message of a request; `id` as in [`request`].
pub(super) fn verify(message: &[u8], keys: &[u64], id: u64, work: &mut Work) -> Result<(), String> {
    match work.shape {
        Shape::Single => one(message, keys[0], work),
        Shape::Many => all(message, 1, keys, work, one),
        Shape::Batch => {
            let said = Fields(message).find_map(|field| match field {
                Ok((1, Held::Number(said))) => Some(said),
                _ => None,
            });
            if said.unwrap_or(0) != id {
                return Err(format!(
                    "a batch was answered out of order: {said:?} for {id}"
                ));
            }
            all(message, 2, keys, work, result)
        }
    }
}

/// The elements of a repeated field, one for each key.
fn all(
    message: &[u8],
    number: u64,
    keys: &[u64],
    work: &mut Work,
    element: impl Fn(&[u8], u64, &mut Work) -> Result<(), String>,
) -> Result<(), String> {
    let mut waiting = keys.iter();
    for field in Fields(message) {
        match field.map_err(|()| malformed())? {
            (found, Held::Bytes(bytes)) if found == number => {
                let key = waiting.next().ok_or("more answers than keys".to_owned())?;
                element(bytes, *key, work)?;
            }
            (_, Held::Bytes(error)) => return Err(said(error)),
            _ => {}
        }
    }
    match waiting.next() {
        None => Ok(()),
        Some(_) => Err("fewer answers than keys".into()),
    }
}

/// A `Result` of a batch.
fn result(message: &[u8], key: u64, work: &mut Work) -> Result<(), String> {
    let expected = match work.verb {
        Verb::Get => 1,
        Verb::Set => 2,
    };
    match Fields(message).next() {
        Some(Ok((number, Held::Bytes(bytes)))) if number == expected => one(bytes, key, work),
        Some(Ok((15, Held::Bytes(error)))) => Err(said(error)),
        _ => Err(malformed()),
    }
}

/// A `GetResponse` or a `SetResponse`.
fn one(message: &[u8], key: u64, work: &mut Work) -> Result<(), String> {
    let (mut status, mut value): (u64, &[u8]) = (0, &[]);
    for field in Fields(message) {
        match (field.map_err(|()| malformed())?, work.verb) {
            // `applied` has the number of `status`.
            ((1, Held::Number(number)), _) => status = number,
            ((2, Held::Bytes(bytes)), Verb::Get) => value = bytes,
            ((7, Held::Bytes(error)), Verb::Get) | ((3, Held::Bytes(error)), Verb::Set) => {
                return Err(said(error));
            }
            _ => {}
        }
    }
    match work.verb {
        Verb::Set if status == 1 => Ok(()),
        Verb::Set => Err("a set without a condition was not applied".into()),
        Verb::Get if status == HIT => work.verify(key, value),
        Verb::Get => Err(format!("{} (status {status})", work.missed(key))),
    }
}

/// A `KeyError` as a sentence.
fn said(error: &[u8]) -> String {
    let texts: Vec<_> = Fields(error)
        .filter_map(|field| match field {
            Ok((2 | 3, Held::Bytes(text))) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        })
        .collect();
    format!("a key failed: {}", texts.join(": "))
}

fn malformed() -> String {
    "a response is not the message that it should be".into()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use prost::Message;
    use shoal_protos::v1;
    use shoal_protos::v1::{operation, result};

    use super::{request, verify};
    use crate::arguments::{Arguments, Shape, Verb};
    use crate::work::Work;

    fn work(verb: Verb, shape: Shape) -> Work {
        Work::new(&Arguments {
            verb,
            shape,
            ttl_ms: 70_000,
            value_bytes: 300,
            ..Arguments::default()
        })
    }

    fn said(keys: &[u64], work: &Work) -> Vec<u8> {
        let mut out = Vec::new();
        request(keys, 9, work, &mut out);
        out
    }

    fn key(number: u64) -> Bytes {
        Bytes::from(format!("key:{number:012}"))
    }

    fn value(number: u64, work: &Work) -> Bytes {
        let mut out = Vec::new();
        work.texts.value(number, &mut out);
        out.into()
    }

    fn hit(number: u64, work: &Work) -> v1::GetResponse {
        v1::GetResponse {
            status: v1::Status::Hit.into(),
            value: value(number, work),
            version: Some(v1::Version { epoch: 1, seq: 300 }),
            ttl_ms: 12,
            ..Default::default()
        }
    }

    fn set_of(number: u64, work: &Work) -> v1::SetRequest {
        v1::SetRequest {
            key: key(number),
            value: value(number, work),
            ttl_ms: 70_000,
            ..Default::default()
        }
    }

    #[test]
    fn requests_are_what_prost_would_send() {
        let single = work(Verb::Get, Shape::Single);
        let decoded = v1::GetRequest::decode(&*said(&[3], &single)).unwrap();
        assert_eq!(decoded.key, key(3));

        let single = work(Verb::Set, Shape::Single);
        let decoded = v1::SetRequest::decode(&*said(&[3], &single)).unwrap();
        assert_eq!(decoded, set_of(3, &single));

        let many = work(Verb::Get, Shape::Many);
        let decoded = v1::MGetRequest::decode(&*said(&[3, 4], &many)).unwrap();
        assert_eq!(decoded.keys, [key(3), key(4)]);

        let many = work(Verb::Set, Shape::Many);
        let decoded = v1::MSetRequest::decode(&*said(&[3, 4], &many)).unwrap();
        assert_eq!(decoded.entries, [set_of(3, &many), set_of(4, &many)]);
    }

    #[test]
    fn batches_are_what_prost_would_send() {
        let batch = work(Verb::Get, Shape::Batch);
        let decoded = v1::ExecuteRequest::decode(&*said(&[3, 4], &batch)).unwrap();
        assert_eq!(decoded.id, 9);
        let Some(operation::Operation::Get(get)) = &decoded.operations[1].operation else {
            panic!("{decoded:?}");
        };
        assert_eq!((decoded.operations.len(), &get.key), (2, &key(4)));

        let batch = work(Verb::Set, Shape::Batch);
        let decoded = v1::ExecuteRequest::decode(&*said(&[3], &batch)).unwrap();
        let Some(operation::Operation::Set(set)) = &decoded.operations[0].operation else {
            panic!("{decoded:?}");
        };
        assert_eq!(*set, set_of(3, &batch));
    }

    #[test]
    fn right_answers_are_taken() {
        let mut single = work(Verb::Get, Shape::Single);
        let message = hit(3, &single).encode_to_vec();
        verify(&message, &[3], 0, &mut single).unwrap();

        let mut many = work(Verb::Get, Shape::Many);
        let message = v1::MGetResponse {
            entries: vec![hit(3, &many), hit(4, &many)],
        };
        verify(&message.encode_to_vec(), &[3, 4], 0, &mut many).unwrap();

        let mut batch = work(Verb::Get, Shape::Batch);
        let result = v1::Result {
            result: Some(result::Result::Get(hit(3, &batch))),
        };
        let message = v1::ExecuteResponse {
            id: 9,
            results: vec![result],
            error: None,
        };
        verify(&message.encode_to_vec(), &[3], 9, &mut batch).unwrap();

        let mut set = work(Verb::Set, Shape::Single);
        let message = v1::SetResponse {
            applied: true,
            ..Default::default()
        };
        verify(&message.encode_to_vec(), &[3], 0, &mut set).unwrap();
    }

    #[test]
    fn wrong_answers_are_not() {
        let failure = v1::KeyError {
            reason: "SOME_REASON".into(),
            ..Default::default()
        };
        let mut single = work(Verb::Get, Shape::Single);
        let mut refuse = |message: v1::GetResponse, about: &str| {
            let sentence = verify(&message.encode_to_vec(), &[3], 0, &mut single).unwrap_err();
            assert!(sentence.contains(about), "{sentence}");
        };
        refuse(v1::GetResponse::default(), "is not there");
        refuse(
            v1::GetResponse {
                error: Some(failure.clone()),
                ..Default::default()
            },
            "SOME_REASON",
        );
        let other = hit(4, &work(Verb::Get, Shape::Single));
        refuse(other, "not what was set");

        let mut many = work(Verb::Get, Shape::Many);
        let one = v1::MGetResponse {
            entries: vec![hit(3, &many)],
        };
        let one = one.encode_to_vec();
        assert!(
            verify(&one, &[3, 4], 0, &mut many)
                .unwrap_err()
                .contains("fewer")
        );
        assert!(verify(&[one.clone(), one].concat(), &[3], 0, &mut many).is_err());

        let mut batch = work(Verb::Set, Shape::Batch);
        let message = v1::ExecuteResponse {
            id: 8,
            ..Default::default()
        };
        let sentence = verify(&message.encode_to_vec(), &[3], 9, &mut batch).unwrap_err();
        assert!(sentence.contains("out of order"));
    }
}
