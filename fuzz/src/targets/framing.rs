//! gRPC's framing, of a unary request and of a stream: however the bytes are cut into
//! pieces, the same messages or the same refusal come out.

use bytes::Bytes;
use shoal_server::fuzzing::{Refusal, gather, messages};

use crate::input::Input;

const PREFIX_BYTES: usize = 5;

pub(super) fn run(input: &[u8]) {
    let mut input = Input::new(input);
    let message_bytes_max = usize::from(input.byte());
    let cuts = input.piece();
    let whole = Bytes::copy_from_slice(input.rest());
    let mut rest = whole.clone();
    let mut pieces: Vec<Bytes> = cuts
        .iter()
        .map(|cut| rest.split_to(usize::from(*cut).min(rest.len())))
        .collect();
    pieces.push(rest);
    let expected = plainly(&whole, message_bytes_max);
    assert_eq!(gather(pieces.clone(), message_bytes_max), expected);
    assert_eq!(gather(vec![whole.clone()], message_bytes_max), expected);
    assert_eq!(
        messages(pieces, message_bytes_max),
        all_plainly(&whole, message_bytes_max)
    );
}

fn plainly(whole: &[u8], message_bytes_max: usize) -> Result<Bytes, Refusal> {
    let Some((prefix, message)) = whole.split_first_chunk::<PREFIX_BYTES>() else {
        return Err(Refusal::NotOne);
    };
    let [compressed, length @ ..] = *prefix;
    let bytes = u32::from_be_bytes(length) as usize;
    match compressed {
        0 if bytes > message_bytes_max => Err(Refusal::TooLong { bytes }),
        0 if bytes == message.len() => Ok(Bytes::copy_from_slice(message)),
        0 => Err(Refusal::NotOne),
        _ => Err(Refusal::Compressed),
    }
}

fn all_plainly(mut rest: &[u8], message_bytes_max: usize) -> (Vec<Bytes>, Option<Refusal>) {
    let mut messages = Vec::new();
    while let Some((prefix, behind)) = rest.split_first_chunk::<PREFIX_BYTES>() {
        let [compressed, length @ ..] = *prefix;
        let bytes = u32::from_be_bytes(length) as usize;
        if compressed != 0 {
            return (messages, Some(Refusal::Compressed));
        }
        if bytes > message_bytes_max {
            return (messages, Some(Refusal::TooLong { bytes }));
        }
        let Some((message, behind)) = behind.split_at_checked(bytes) else {
            break;
        };
        messages.push(Bytes::copy_from_slice(message));
        rest = behind;
    }
    (messages, None)
}
