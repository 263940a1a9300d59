//! A whole HTTP/2 connection: bytes of a client of any kind, and an application that
//! answers in many ways.
//!
//! - However the bytes are cut, the same events and the same answer come of them.
//! - Events keep the rules that an application relies on.
//! - What is sent is read by a client of our own here, see [`client`].

mod application;
mod client;

use std::io::IoSlice;

use shoal_http2::frame::PREFACE;
use shoal_http2::{Connection, Limits, Rate};

use crate::input::Input;
use application::Application;

const FEW: Rate = Rate {
    burst: 6,
    per_second: 2,
};
const STREAMS_MAX: u32 = 4;
const EMPTY_SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

pub(super) fn run(input: &[u8]) {
    let mut input = Input::new(input);
    let is_greeted = !input.byte().is_multiple_of(4);
    let cut_bytes = usize::from(input.byte()).max(1);
    let mut bytes = Vec::new();
    if is_greeted {
        bytes.extend_from_slice(PREFACE);
        bytes.extend_from_slice(EMPTY_SETTINGS);
    }
    bytes.extend_from_slice(input.rest());
    let whole = serve(&bytes, usize::MAX, None);
    assert_eq!(
        serve(&bytes, cut_bytes, None),
        whole,
        "cut every {cut_bytes} bytes"
    );
    client::read(&bytes, &whole.sent);
    let written_meanwhile = serve(&bytes, cut_bytes, Some(cut_bytes * 7));
    client::read(&bytes, &written_meanwhile.sent);
}

/// What became of a connection.
#[derive(Debug, PartialEq, Eq)]
struct Served {
    events: Vec<String>,
    sent: Vec<u8>,
}

/// Hands the bytes over in pieces. `written` says how many bytes the socket takes
/// after each piece; without, everything is written at the end.
fn serve(bytes: &[u8], piece_bytes: usize, written: Option<usize>) -> Served {
    let mut connection = Connection::new(limits(), application::FREQUENT);
    let mut application = Application::default();
    let mut sent = Vec::new();
    let (mut start, mut end) = (0, 0);
    while end < bytes.len() {
        end = end.saturating_add(piece_bytes).min(bytes.len());
        loop {
            let received = connection.receive(&bytes[start..end], 0);
            assert!(received.consumed <= end - start);
            start += received.consumed;
            let Some(event) = received.event else { break };
            application.take(&mut connection, event);
            assert!(connection.open_streams() <= STREAMS_MAX as usize);
        }
        if let Some(most) = written {
            write(&mut connection, most, &mut sent);
            application.go_on(&mut connection);
        }
    }
    // The application may go on with a stream each time, and does so a few times.
    for _ in 0..64 {
        write(&mut connection, usize::MAX, &mut sent);
        application.go_on(&mut connection);
    }
    write(&mut connection, usize::MAX, &mut sent);
    assert_eq!(connection.unsent_bytes(), 0);
    Served {
        events: application.events,
        sent,
    }
}

fn write(connection: &mut Connection<application::Stream>, most: usize, sent: &mut Vec<u8>) {
    let mut left = most;
    while left > 0 {
        let mut slices = [IoSlice::new(&[]); 3];
        let count = connection.output(&mut slices);
        let before = sent.len();
        for slice in &slices[..count] {
            let taken = slice.len().min(left);
            sent.extend_from_slice(&slice[..taken]);
            left -= taken;
        }
        let written = sent.len() - before;
        if written == 0 {
            return;
        }
        connection.sent(written);
    }
}

fn limits() -> Limits {
    Limits {
        concurrent_streams_max: STREAMS_MAX,
        header_list_bytes_max: 1024,
        continuations_max: 3,
        header_table_bytes_max: 256,
        stream_window_bytes: 1 << 16,
        connection_window_bytes: 1 << 17,
        outbox_bytes_max: 4096,
        client_resets: FEW,
        error_resets: FEW,
        control_frames: Rate {
            burst: 60,
            per_second: 2,
        },
        empty_frames: FEW,
        ..Limits::default()
    }
}
