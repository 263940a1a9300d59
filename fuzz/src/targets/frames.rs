//! HTTP/2 frames: a header is what its nine bytes say, and padding and priority are
//! taken off where they fit and refused where they do not.

use shoal_http2::Code;
use shoal_http2::frame::{HEADER_BYTES, Header, PADDED, PRIORITY, fragment, without_padding};

pub(super) fn run(input: &[u8]) {
    let Some(header) = Header::parse(input) else {
        return assert!(input.len() < HEADER_BYTES);
    };
    let (first, payload) = input.split_at(HEADER_BYTES);
    // The first bit of the stream is reserved and is not kept.
    let mut expected = first.to_vec();
    expected[5] &= 0x7f;
    assert_eq!(header.to_bytes()[..], expected);
    assert!(header.length < 1 << 24);

    let mut rest = Some(payload);
    if header.has(PADDED) {
        rest = payload.split_first().and_then(|(padding, rest)| {
            let bytes = rest.len().checked_sub(usize::from(*padding))?;
            Some(&rest[..bytes])
        });
    }
    assert_eq!(without_padding(header, payload).ok(), rest);
    let told = fragment(header, payload);
    if header.has(PRIORITY) {
        let depends_on = |priority: &[u8; 5]| {
            u32::from_be_bytes([priority[0] & 0x7f, priority[1], priority[2], priority[3]])
        };
        match rest.and_then(|rest| rest.split_first_chunk::<5>()) {
            Some((priority, rest)) if depends_on(priority) != header.stream => {
                assert_eq!(told, Ok(rest));
            }
            Some(_) => assert_eq!(told.unwrap_err().code, Code::Protocol),
            None => assert!(told.is_err()),
        }
    } else {
        assert_eq!(told.ok(), rest);
    }
}
