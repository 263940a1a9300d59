//! What the server writes by hand and reads without decoding, against prost.

use bytes::Bytes;
use prost::Message;
use shoal_protos::v1;
use shoal_server::fuzzing::{Framed, count_fields, get_response, subject, with_routed};
use shoal_server::service::Method;

use crate::input::Input;

pub(super) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    match input.byte() % 4 {
        3 => what_a_request_is_about_is_what_prost_reads(input.rest()),
        0 => fields_are_counted_as_prost_reads_them(input.rest()),
        1 => routed_is_added_and_nothing_else(input.rest()),
        _ => a_response_is_what_prost_writes(&mut input),
    }
}

/// What prost takes is counted, and counted right; what cannot be counted prost does
/// not take.
fn fields_are_counted_as_prost_reads_them(message: &[u8]) {
    let counted = [1, 2].map(|field| count_fields(field, message));
    if let Ok(read) = v1::DelRequest::decode(message) {
        assert_eq!(counted[0], Some(read.keys.len()));
    }
    if let Ok(read) = v1::MGetRequest::decode(message) {
        assert_eq!(counted[0], Some(read.keys.len()));
    }
    if let Ok(read) = v1::MSetRequest::decode(message) {
        assert_eq!(counted[0], Some(read.entries.len()));
    }
    if let Ok(read) = v1::ExecuteRequest::decode(message) {
        assert_eq!(counted[1], Some(read.operations.len()));
    }
}

/// A key that is told of is the one that prost reads.
fn what_a_request_is_about_is_what_prost_reads(message: &[u8]) {
    let message = Bytes::copy_from_slice(message);
    let (times, key) = subject(Method::Set, &message);
    if let Ok(read) = v1::SetRequest::decode(message.clone()) {
        let expected = if times == 1 { read.key } else { Bytes::new() };
        assert_eq!(key, expected);
    }
    let (times, key) = subject(Method::Del, &message);
    if let Ok(read) = v1::DelRequest::decode(message) {
        assert_eq!(times, read.keys.len() as u64);
        let one = read.keys.first().filter(|_| times == 1);
        assert_eq!(key, one.cloned().unwrap_or_default());
    }
}

fn routed_is_added_and_nothing_else(message: &[u8]) {
    let Ok(read) = v1::GetRequest::decode(message) else {
        return;
    };
    let written = with_routed(5, message);
    let again = v1::GetRequest::decode(written).unwrap();
    assert_eq!(
        again,
        v1::GetRequest {
            routed: true,
            ..read
        }
    );
}

fn a_response_is_what_prost_writes(input: &mut Input<'_>) {
    let frame = match input.byte() % 3 {
        0 => Framed::Bare,
        1 => Framed::Entry,
        _ => Framed::Result(1),
    };
    let status = match input.byte() % 3 {
        0 => v1::Status::Hit,
        1 => v1::Status::Stale,
        _ => v1::Status::Absent,
    };
    let version = v1::Version {
        epoch: input.number(),
        seq: input.number(),
    };
    let ttl_ms = (input.number() & (u64::MAX >> 1)).cast_signed();
    let fresh_ms = i64::from(input.byte());
    let zeros = usize::from(input.short());
    let mut value = input.rest().to_vec();
    value.resize(value.len() + zeros, 0);
    let expected = v1::GetResponse {
        status: status as i32,
        value: Bytes::from(value.clone()),
        version: Some(version),
        ttl_ms,
        fresh_ms,
        ..Default::default()
    };
    let written = get_response(frame, status, &value, version, ttl_ms, fresh_ms);
    let expected = match frame {
        Framed::Bare => expected.encode_to_vec(),
        Framed::Entry => v1::MGetResponse {
            entries: vec![expected],
        }
        .encode_to_vec(),
        Framed::Result(_) => {
            let result = v1::Result {
                result: Some(v1::result::Result::Get(expected)),
            };
            v1::ExecuteResponse {
                results: vec![result],
                ..Default::default()
            }
            .encode_to_vec()
        }
    };
    assert_eq!(written, expected);
}
