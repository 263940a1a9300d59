//! Windows, both ways.

use std::collections::HashMap;
use std::convert::Infallible;

use bytes::Bytes;
use shoal_http2::frame::{Header, Kind};
use shoal_http2::{Code, Limits};

use crate::peer::{data, feed, greeted, request, settings, window_update};
use crate::random::Random;

/// A body that says where each of its bytes belongs.
fn body(stream: u32, bytes: usize) -> Vec<u8> {
    (0..bytes)
        .map(|at| (at as u32 ^ stream.wrapping_mul(31)) as u8)
        .collect()
}

#[test]
fn every_body_arrives_whole_whatever_the_windows_do() {
    for seed in 0..25 {
        let mut random = Random(seed);
        let limits = Limits {
            outbox_bytes_max: 1 + random.below(40_000),
            ..Limits::default()
        };
        let (mut connection, mut heard) = greeted(limits);
        feed(
            &mut connection,
            &settings(&[(4, random.below(5000) as u32)]),
            0,
        );
        let mut expected = HashMap::new();
        let streams: Vec<u32> = (0..1 + random.below(20) as u32)
            .map(|n| 2 * n + 1)
            .collect();
        for stream in &streams {
            feed(&mut connection, &request(*stream, true), 0);
            let whole = body(*stream, random.below(60_000));
            let parts = 1 + random.below(3);
            connection.send_head(*stream, &[(b":status", b"200")], false);
            for part in whole.chunks(whole.len().div_ceil(parts).max(1)) {
                if random.below(2) == 0 {
                    connection.send_bytes(*stream, Bytes::copy_from_slice(part));
                } else {
                    let Ok(()) = connection.send_body(*stream, |out| {
                        out.extend_from_slice(part);
                        Ok::<(), Infallible>(())
                    });
                }
            }
            connection.send_end(*stream, &[(b"x", b"y")]);
            expected.insert(*stream, whole);
            heard.take(&mut connection, random.below(9000));
        }
        for _ in 0..100_000 {
            if connection.open_streams() == 0 {
                break;
            }
            let stream = streams[random.below(streams.len())] * random.below(2) as u32;
            let more = 1 + random.below(20_000) as u32;
            feed(&mut connection, &window_update(stream, more), 0);
            if random.below(10) == 0 {
                let window = random.below(5000) as u32;
                feed(&mut connection, &settings(&[(4, window)]), 0);
            }
            heard.take(&mut connection, random.below(50_000));
            assert!(heard.goaways.is_empty(), "seed {seed}");
        }
        heard.take_all(&mut connection);
        assert_eq!(connection.waiting_bytes(), 0, "seed {seed}");
        for stream in streams {
            let arrived = heard.bodies.remove(&stream).unwrap_or_default();
            assert_eq!(arrived, expected[&stream], "seed {seed}, stream {stream}");
            let last = heard.fields.iter().rfind(|(of, ..)| *of == stream).unwrap();
            assert!(last.2, "seed {seed}: the trailers end stream {stream}");
        }
    }
}

#[test]
fn a_body_of_several_frames_does_not_wait_where_the_windows_take_it() {
    let (mut connection, mut heard) = greeted(Limits::default());
    feed(&mut connection, &request(1, false), 0);
    let whole = body(1, 40_000);
    let Ok(()) = connection.send_body(1, |out| {
        out.extend_from_slice(&whole);
        Ok::<(), Infallible>(())
    });
    assert_eq!(connection.waiting_bytes(), 0);
    heard.take_all(&mut connection);
    let of_data =
        |(header, _): &(Header, Vec<u8>)| (header.kind == Kind::Data).then_some(header.length);
    let lengths: Vec<usize> = heard.frames.iter().filter_map(of_data).collect();
    assert_eq!(lengths, [16_384, 16_384, 7232]);
    assert_eq!(heard.bodies[&1], whole);
}

#[test]
fn nothing_is_sent_beyond_a_window() {
    let (mut connection, mut heard) = greeted(Limits::default());
    feed(&mut connection, &settings(&[(4, 10)]), 0);
    feed(&mut connection, &request(1, true), 0);
    let whole = |out: &mut bytes::BytesMut| {
        out.extend_from_slice(&[1; 25]);
        Ok::<(), Infallible>(())
    };
    let Ok(()) = connection.respond(1, &[(b":status", b"200")], &[(b"x", b"y")], whole);
    heard.take_all(&mut connection);
    assert_eq!(
        (heard.bodies[&1].len(), connection.waiting_bytes()),
        (10, 15)
    );
    feed(&mut connection, &settings(&[(4, 4)]), 0);
    feed(&mut connection, &window_update(1, 6), 0);
    heard.take_all(&mut connection);
    assert_eq!(heard.bodies[&1].len(), 10, "the window is at nothing");
    feed(&mut connection, &window_update(1, 15), 0);
    heard.take_all(&mut connection);
    assert_eq!((heard.bodies[&1].len(), connection.open_streams()), (25, 0));
}

#[test]
fn a_response_that_fails_leaves_nothing_behind() {
    let (mut connection, mut heard) = greeted(Limits::default());
    feed(&mut connection, &request(1, true), 0);
    let head: &[shoal_http2::Field<'_>] = &[(b":status", b"200"), (b"x", b"y")];
    let failed = connection.respond(1, head, &[], |out| {
        out.extend_from_slice(b"half");
        Err("no")
    });
    assert_eq!(failed, Err("no"));
    connection.send_head(1, head, true);
    heard.take_all(&mut connection);
    let fields = vec![(":status".into(), "200".into()), ("x".into(), "y".into())];
    assert_eq!(heard.fields, [(1, fields, true)]);
    assert!(heard.bodies.is_empty());
}

#[test]
fn a_client_may_send_what_was_released_and_no_more() {
    let limits = Limits {
        stream_window_bytes: 100,
        ..Limits::default()
    };
    let (mut connection, mut heard) = greeted(limits);
    feed(&mut connection, &request(1, false), 0);
    feed(&mut connection, &data(1, &[0; 100], false), 0);
    connection.release(1, 100);
    heard.take_all(&mut connection);
    assert_eq!(heard.count(Kind::WindowUpdate), 2, "one at first, and this");
    feed(&mut connection, &data(1, &[0; 100], false), 0);
    let events = feed(&mut connection, &data(1, &[0; 1], false), 0);
    assert_eq!(events, ["Reset { stream: 1, code: FlowControl }"]);
    heard.take_all(&mut connection);
    assert_eq!(heard.resets, [(1, Code::FlowControl)]);
}

#[test]
fn the_window_of_the_connection_is_given_back_as_bytes_come() {
    let (mut connection, mut heard) = greeted(Limits::default());
    for n in 0..40 {
        let stream = 2 * n + 1;
        feed(&mut connection, &request(stream, false), 0);
        for _ in 0..60 {
            feed(&mut connection, &data(stream, &[0; 16_384], false), 0);
        }
    }
    heard.take_all(&mut connection);
    assert!(heard.goaways.is_empty() && heard.resets.is_empty());
}
