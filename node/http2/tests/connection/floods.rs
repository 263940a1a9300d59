//! Each bound, and that what is useful is not counted against it.

use shoal_http2::frame::Kind;
use shoal_http2::{Code, Limits, Rate};

use crate::peer::{BLOCK, data, feed, frame, greeted, request, settings, window_update};

const FEW: Rate = Rate {
    burst: 5,
    per_second: 1,
};

/// How many of these are put up with, and what is said then.
fn put_up_with(limits: Limits, mut frames: impl FnMut(u32) -> Vec<u8>) -> (u32, Code) {
    let (mut connection, mut heard) = greeted(limits);
    for n in 0..100_000 {
        feed(&mut connection, &frames(n), 0);
        heard.take_all(&mut connection);
        if let Some((_, code)) = heard.goaways.first() {
            assert!(connection.is_finished());
            return (n, *code);
        }
    }
    panic!("everything is put up with");
}

fn few() -> Limits {
    Limits {
        client_resets: FEW,
        error_resets: FEW,
        control_frames: Rate {
            burst: 10,
            per_second: 1,
        },
        empty_frames: FEW,
        ..Limits::default()
    }
}

#[test]
fn resets_of_the_client_are_bounded() {
    let both = |n: u32| {
        let stream = 2 * n + 1;
        let reset = frame(Kind::Reset, 0, stream, &8_u32.to_be_bytes());
        [request(stream, true), reset].concat()
    };
    assert_eq!(put_up_with(few(), both), (5, Code::Calm));
}

#[test]
fn resets_that_errors_bring_about_are_bounded() {
    let wrong = |n: u32| {
        let stream = 2 * n + 1;
        [request(stream, false), window_update(stream, 0)].concat()
    };
    assert_eq!(put_up_with(few(), wrong), (5, Code::Calm));
    let malformed = |n: u32| frame(Kind::Headers, 5, 2 * n + 1, &BLOCK[..2]);
    assert_eq!(put_up_with(few(), malformed), (5, Code::Calm));
}

#[test]
fn control_frames_are_bounded() {
    // Two were in the greeting.
    let ping = |_| frame(Kind::Ping, 0, 0, &[0; 8]);
    assert_eq!(put_up_with(few(), ping), (8, Code::Calm));
    assert_eq!(put_up_with(few(), |_| settings(&[])), (8, Code::Calm));
    let unknown = |_| frame(Kind::Unknown(77), 0, 0, &[]);
    assert_eq!(put_up_with(few(), unknown), (8, Code::Calm));
}

#[test]
fn empty_frames_are_bounded() {
    let empty = |n: u32| match n {
        0 => request(1, false),
        _ => data(1, &[], false),
    };
    assert_eq!(put_up_with(few(), empty), (6, Code::Calm));
    let nothing = |n: u32| match n {
        0 => frame(Kind::Headers, 0, 1, BLOCK),
        _ => frame(Kind::Continuation, 0, 1, &[]),
    };
    assert_eq!(put_up_with(few(), nothing), (6, Code::Calm));
}

#[test]
fn a_field_block_is_bounded() {
    let endless = |n: u32| match n {
        0 => frame(Kind::Headers, 0, 1, BLOCK),
        _ => frame(Kind::Continuation, 0, 1, b"\x83"),
    };
    let (taken, code) = put_up_with(Limits::default(), endless);
    assert_eq!((taken, code), (9, Code::Calm));
    let large = |n: u32| match n {
        0 => frame(Kind::Headers, 0, 1, BLOCK),
        _ => frame(Kind::Continuation, 0, 1, &[0x83; 16_384]),
    };
    assert_eq!(put_up_with(Limits::default(), large), (1, Code::Calm));
}

#[test]
fn a_small_block_of_many_fields_is_answered_and_kept_out() {
    let (mut connection, mut heard) = greeted(Limits::default());
    let mut block = BLOCK.to_vec();
    block.extend(b"\x40\x01a\x7f\xa1\x1e");
    block.extend([b'v'; 4000]);
    block.extend([0xbe; 5000]);
    let events = feed(&mut connection, &frame(Kind::Headers, 5, 1, &block), 0);
    assert!(events.is_empty());
    heard.take_all(&mut connection);
    let status = vec![(":status".to_owned(), "431".to_owned())];
    assert_eq!(heard.fields, [(1, status, true)]);
    assert_eq!(connection.open_streams(), 0);
    let events = feed(&mut connection, &request(3, true), 0);
    assert_eq!(events, ["Head { stream: 3, is_end: true }"]);
}

#[test]
fn one_stream_too_many_is_refused_and_the_others_go_on() {
    let limits = Limits {
        concurrent_streams_max: 2,
        ..few()
    };
    let (mut connection, mut heard) = greeted(limits);
    for stream in [1, 3, 5] {
        feed(&mut connection, &request(stream, false), 0);
    }
    // What it had sent on it is passed over.
    assert!(feed(&mut connection, &data(5, b"x", true), 0).is_empty());
    heard.take_all(&mut connection);
    assert_eq!(heard.resets, [(5, Code::Refused)]);
    connection.send_head(1, &[(b":status", b"200")], true);
    let events = feed(&mut connection, &request(7, true), 0);
    assert_eq!(events, ["Head { stream: 7, is_end: true }"]);
}

#[test]
fn useful_work_is_never_a_flood() {
    let (mut connection, mut heard) = greeted(few());
    for n in 0..10_000 {
        let stream = 2 * n + 1;
        feed(&mut connection, &request(stream, false), 0);
        feed(&mut connection, &data(stream, b"question", true), 0);
        connection.send_head(stream, &[(b":status", b"200")], false);
        connection.send_bytes(stream, vec![0; 100].into());
        connection.send_end(stream, &[]);
        feed(&mut connection, &window_update(0, 100), 0);
        feed(&mut connection, &frame(Kind::Ping, 0, 0, &[0; 8]), 0);
        heard.take_all(&mut connection);
        assert!(heard.goaways.is_empty(), "after {n} requests");
        heard.frames.clear();
        heard.fields.clear();
        heard.bodies.clear();
    }
}

#[test]
fn a_slow_rate_is_no_flood() {
    let (mut connection, mut heard) = greeted(few());
    for second in 0..10_000 {
        feed(
            &mut connection,
            &frame(Kind::Ping, 0, 0, &[0; 8]),
            second * 1000,
        );
    }
    heard.take_all(&mut connection);
    assert!(heard.goaways.is_empty());
}
