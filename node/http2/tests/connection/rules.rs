//! What RFC 9113 forbids, and what it says of it.

use shoal_http2::frame::{Kind, PREFACE};
use shoal_http2::{Code, Connection, Limits};

use crate::peer::{
    BLOCK, Heard, data, feed, frame, greeted, hello, request, settings, window_update,
};

/// What GOAWAY says after these bytes, behind a greeting.
fn goaway(bytes: &[u8]) -> Option<Code> {
    let (mut connection, mut heard) = greeted(Limits::default());
    feed(&mut connection, bytes, 0);
    heard.take_all(&mut connection);
    heard.goaways.first().map(|(_, code)| *code)
}

/// What was reset instead.
fn resets(bytes: &[u8]) -> Vec<(u32, Code)> {
    let (mut connection, mut heard) = greeted(Limits::default());
    feed(&mut connection, bytes, 0);
    heard.take_all(&mut connection);
    assert!(heard.goaways.is_empty());
    heard.resets
}

#[test]
fn a_greeting_is_answered_with_settings_and_an_acknowledgement() {
    let (_, heard) = greeted(Limits::default());
    let kinds: Vec<(Kind, u8)> = heard
        .frames
        .iter()
        .map(|(h, _)| (h.kind, h.flags))
        .collect();
    let expected = [
        (Kind::Settings, 0),
        (Kind::WindowUpdate, 0),
        (Kind::Settings, 1),
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn who_does_not_greet_is_not_served() {
    let no_settings = [&PREFACE[..], &request(1, true)].concat();
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"PRI * HTTP/1",
        &no_settings,
    ] {
        let mut connection = Connection::new(Limits::default(), &[]);
        let events = feed(&mut connection, bytes, 0);
        assert_eq!(events, ["broken Protocol"], "{bytes:?}");
        assert!(connection.is_ending());
    }
}

#[test]
fn frames_out_of_place_end_the_connection() {
    let protocol = Some(Code::Protocol);
    assert_eq!(goaway(&data(1, b"x", true)), protocol, "an idle stream");
    assert_eq!(goaway(&data(0, b"x", true)), protocol);
    assert_eq!(goaway(&request(2, true)), protocol, "an even stream");
    assert_eq!(goaway(&frame(Kind::Continuation, 4, 1, BLOCK)), protocol);
    assert_eq!(goaway(&frame(Kind::PushPromise, 4, 1, BLOCK)), protocol);
    assert_eq!(goaway(&window_update(0, 0)), protocol);
    assert_eq!(goaway(&frame(Kind::Reset, 0, 1, &[0; 4])), protocol);
    let open = frame(Kind::Headers, 0, 1, BLOCK);
    assert_eq!(
        goaway(&[&open[..], &frame(Kind::Ping, 0, 0, &[0; 8])].concat()),
        protocol
    );
    let other = frame(Kind::Continuation, 4, 3, &[]);
    assert_eq!(goaway(&[&open[..], &other].concat()), protocol);
    assert_eq!(
        goaway(&[request(3, true), request(1, true)].concat()),
        Some(Code::StreamClosed)
    );
}

#[test]
fn frames_of_a_wrong_size_end_the_connection() {
    let size = Some(Code::FrameSize);
    assert_eq!(goaway(&frame(Kind::Ping, 0, 0, &[0; 7])), size);
    assert_eq!(goaway(&frame(Kind::Settings, 0, 0, &[0; 7])), size);
    assert_eq!(goaway(&frame(Kind::Settings, 1, 0, &[0; 6])), size);
    assert_eq!(goaway(&frame(Kind::WindowUpdate, 0, 0, &[0; 3])), size);
    assert_eq!(goaway(&frame(Kind::GoAway, 0, 0, &[0; 7])), size);
    assert_eq!(goaway(&frame(Kind::Priority, 0, 1, &[0; 4])), size);
    let too_large = frame(Kind::Data, 0, 1, &vec![0; 16_385]);
    assert_eq!(goaway(&too_large), size);
}

#[test]
fn windows_too_large_are_refused() {
    assert_eq!(
        goaway(&window_update(0, 0x7fff_ffff)),
        Some(Code::FlowControl)
    );
    let of_a_stream = [request(1, false), window_update(1, 0x7fff_ffff)].concat();
    assert_eq!(resets(&of_a_stream), [(1, Code::FlowControl)]);
    let by_settings = [
        request(1, false),
        window_update(1, 0x7fff_0000),
        settings(&[(4, 0x7fff_0000)]),
    ];
    assert_eq!(goaway(&by_settings.concat()), Some(Code::FlowControl));
}

#[test]
fn a_broken_field_block_ends_the_connection_and_a_malformed_one_its_stream() {
    let broken = frame(Kind::Headers, 5, 1, b"\xff");
    assert_eq!(goaway(&broken), Some(Code::Compression));
    let no_path = frame(Kind::Headers, 5, 1, &BLOCK[..2]);
    assert_eq!(resets(&no_path), [(1, Code::Protocol)]);
}

#[test]
fn a_body_is_as_long_as_its_length_says() {
    let head = [BLOCK, b"\x0f\x0d\x013"].concat();
    let long = |pieces: &[(&[u8], bool)]| {
        let mut bytes = frame(Kind::Headers, 4, 1, &head);
        for (piece, is_end) in pieces {
            bytes.extend(data(1, piece, *is_end));
        }
        resets(&bytes)
    };
    assert_eq!(long(&[(b"ab", false), (b"c", true)]), []);
    assert_eq!(long(&[(b"ab", true)]), [(1, Code::Protocol)]);
    assert_eq!(long(&[(b"abcd", false)]), [(1, Code::Protocol)]);
}

#[test]
fn trailers_end_a_request() {
    let (mut connection, _) = greeted(Limits::default());
    feed(&mut connection, &request(1, false), 0);
    let trailers = frame(Kind::Headers, 5, 1, b"\x00\x01a\x01b");
    let events = feed(&mut connection, &trailers, 0);
    assert_eq!(events, ["Data { stream: 1, bytes: [], is_end: true }"]);
    let open_end = [
        request(1, false),
        frame(Kind::Headers, 4, 1, b"\x00\x01a\x01b"),
    ];
    assert_eq!(resets(&open_end.concat()), [(1, Code::Protocol)]);
    let pseudo = [request(1, false), request(1, true)];
    assert_eq!(resets(&pseudo.concat()), [(1, Code::Protocol)]);
}

#[test]
fn what_comes_for_a_stream_that_was_answered_is_passed_over() {
    let (mut connection, mut heard) = greeted(Limits::default());
    feed(&mut connection, &request(1, false), 0);
    connection.send_head(1, &[(b":status", b"200")], true);
    assert!(feed(&mut connection, &data(1, b"late", true), 0).is_empty());
    assert!(feed(&mut connection, &window_update(1, 5), 0).is_empty());
    heard.take_all(&mut connection);
    assert_eq!(heard.resets, [(1, Code::NoError)]);
    assert!(heard.goaways.is_empty());
}

#[test]
fn padding_counts_and_is_not_part_of_the_body() {
    let (mut connection, _) = greeted(Limits::default());
    feed(&mut connection, &request(1, false), 0);
    let padded = frame(Kind::Data, 8, 1, b"\x03abc\0\0\0");
    let events = feed(&mut connection, &padded, 0);
    let bytes = b"abc".to_vec();
    assert_eq!(
        events,
        [format!(
            "Data {{ stream: 1, bytes: {bytes:?}, is_end: false }}"
        )]
    );
}

#[test]
fn a_ping_is_answered_with_what_it_brought() {
    let (mut connection, mut heard) = greeted(Limits::default());
    heard.frames.clear();
    feed(&mut connection, &frame(Kind::Ping, 0, 0, b"12345678"), 0);
    heard.take_all(&mut connection);
    let (header, payload) = &heard.frames[0];
    assert_eq!((header.kind, header.flags), (Kind::Ping, 1));
    assert_eq!(payload, b"12345678");
}

#[test]
fn large_fields_are_sent_in_several_frames() {
    let mut connection: Connection<()> = Connection::new(Limits::default(), &[]);
    feed(&mut connection, &[hello(), request(1, true)].concat(), 0);
    let long = [b'v'; 40_000];
    connection.send_head(1, &[(b":status", b"200"), (b"x", &long)], true);
    let mut slices = [std::io::IoSlice::new(&[]); 8];
    let filled = connection.output(&mut slices);
    let out: Vec<u8> = slices[..filled].iter().flat_map(|s| s.to_vec()).collect();
    let mut kinds = Vec::new();
    let mut rest = &out[..];
    while let Some(header) = shoal_http2::frame::Header::parse(rest) {
        assert!(header.length <= 16_384);
        kinds.push((header.kind, header.flags));
        rest = &rest[9 + header.length..];
    }
    let expected = [
        (Kind::Headers, 1),
        (Kind::Continuation, 0),
        (Kind::Continuation, 4),
    ];
    assert_eq!(kinds[kinds.len() - 3..], expected);
    let _ = Heard::new();
}
