//! A client that reads what was sent, by the letter of RFC 9113, with an HPACK decoder
//! that is not ours. It knows what it has sent, as far as that can be read as frames.

use std::collections::HashMap;

use loona_hpack::Decoder;
use shoal_http2::frame::PREFACE;

const HEADER_BYTES: usize = 9;
const WINDOW_AT_FIRST: u64 = 65_535;
const FRAME_BYTES_AT_FIRST: usize = 16_384;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

struct Frame<'a> {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: &'a [u8],
}

/// What the server may at most send, by what it was told.
#[derive(Default)]
struct Granted {
    connection: u64,
    initial: u64,
    streams: HashMap<u32, u64>,
    frame_bytes: usize,
    settings: usize,
    pings: usize,
}

#[derive(Default)]
struct Stream {
    has_head: bool,
    is_over: bool,
    body_bytes: u64,
}

/// Panics where what was sent is no HTTP/2, or more than was granted.
pub(super) fn read(told: &[u8], sent: &[u8]) {
    let granted = granted(told);
    let mut decoder = Decoder::new();
    let mut streams: HashMap<u32, Stream> = HashMap::new();
    let mut body_bytes = 0;
    let (mut settings, mut pings) = (0, 0);
    let mut is_broken = false;
    let (frames, rest) = frames(sent);
    assert!(rest.is_empty(), "half a frame was sent");
    let first = frames.first().expect("a server says its settings");
    assert_eq!((first.kind, first.flags), (SETTINGS, 0));
    for frame in &frames {
        assert!(
            !is_broken,
            "something follows the GOAWAY that says what is wrong"
        );
        let Frame {
            kind,
            flags,
            stream: id,
            payload,
        } = *frame;
        let stream = streams.entry(id).or_default();
        match kind {
            DATA => {
                assert!(id % 2 == 1 && stream.has_head && !stream.is_over);
                assert!(payload.len() <= granted.frame_bytes, "a frame is too large");
                body_bytes += payload.len() as u64;
                stream.body_bytes += payload.len() as u64;
                stream.is_over = flags & 1 != 0;
                let more = granted.streams.get(&id).copied().unwrap_or_default();
                assert!(body_bytes <= granted.connection, "the connection's window");
                assert!(
                    stream.body_bytes <= granted.initial + more,
                    "a stream's window"
                );
            }
            HEADERS => {
                assert!(id % 2 == 1 && !stream.is_over && flags & 4 != 0);
                let fields = decoder
                    .decode(payload)
                    .expect("a field block that others read");
                let has_status = fields.first().is_some_and(|(name, _)| name == b":status");
                assert_eq!(has_status, !stream.has_head, "one head, then trailers");
                assert!(!stream.has_head || flags & 1 != 0, "trailers are the end");
                stream.has_head = true;
                stream.is_over = flags & 1 != 0;
            }
            RESET => {
                assert!(id % 2 == 1 && payload.len() == 4);
                stream.is_over = true;
            }
            SETTINGS => {
                assert_eq!((id, payload.len() % 6), (0, 0));
                settings += usize::from(flags & 1 != 0);
            }
            PING => {
                assert_eq!((id, payload.len()), (0, 8));
                pings += usize::from(flags & 1 != 0);
            }
            GOAWAY => {
                assert!(id == 0 && payload.len() >= 8);
                is_broken = payload[4..8] != [0; 4];
            }
            WINDOW_UPDATE => {
                assert!(payload.len() == 4 && payload[0] & 0x80 == 0 && payload != [0; 4]);
            }
            other => panic!("a server sends no frame of kind {other}"),
        }
    }
    assert!(
        settings <= granted.settings && pings <= granted.pings,
        "nobody asked for that"
    );
}

/// The whole frames, and what is left.
fn frames(mut bytes: &[u8]) -> (Vec<Frame<'_>>, &[u8]) {
    let mut frames = Vec::new();
    while let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() {
        let [a, b, c, kind, flags, stream @ ..] = *header;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let Some((payload, rest)) = rest.split_at_checked(length) else {
            break;
        };
        let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
        frames.push(Frame {
            kind,
            flags,
            stream,
            payload,
        });
        bytes = rest;
    }
    (frames, bytes)
}

/// An upper bound: everything counts that was told before the server may have given up.
fn granted(told: &[u8]) -> Granted {
    let mut granted = Granted {
        connection: WINDOW_AT_FIRST,
        initial: WINDOW_AT_FIRST,
        frame_bytes: FRAME_BYTES_AT_FIRST,
        ..Granted::default()
    };
    let told = told.strip_prefix(PREFACE).unwrap_or(&[]);
    for frame in frames(told).0 {
        match frame.kind {
            SETTINGS => {
                granted.settings += 1;
                for setting in frame.payload.chunks_exact(6) {
                    let value = [setting[2], setting[3], setting[4], setting[5]];
                    let value = u32::from_be_bytes(value);
                    match setting[1] {
                        4 => granted.initial = granted.initial.max(value.into()),
                        5 => granted.frame_bytes = granted.frame_bytes.max(value as usize),
                        _ => {}
                    }
                }
            }
            PING => granted.pings += 1,
            WINDOW_UPDATE => {
                let more = frame
                    .payload
                    .first_chunk::<4>()
                    .copied()
                    .unwrap_or_default();
                let more = u64::from(u32::from_be_bytes(more) & 0x7fff_ffff);
                match frame.stream {
                    0 => granted.connection += more,
                    stream => *granted.streams.entry(stream).or_default() += more,
                }
            }
            _ => {}
        }
    }
    granted
}
