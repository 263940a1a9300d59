//! How a connection ends when nothing went wrong.

use shoal_http2::frame::Kind;
use shoal_http2::{Code, Limits};

use crate::peer::{feed, frame, greeted, request};

const STATUS: &[shoal_http2::Field<'static>] = &[(b":status", b"200")];

#[test]
fn streams_under_way_are_served_and_late_ones_too_until_the_peer_has_heard() {
    let (mut connection, mut heard) = greeted(Limits::default());
    feed(&mut connection, &request(1, true), 0);
    connection.shutdown();
    feed(&mut connection, &request(3, true), 0);
    heard.take_all(&mut connection);
    assert_eq!(heard.goaways, [(0x7fff_ffff, Code::NoError)]);
    let (_, ping) = heard
        .frames
        .iter()
        .find(|(h, _)| h.kind == Kind::Ping)
        .unwrap()
        .clone();
    feed(&mut connection, &frame(Kind::Ping, 1, 0, &ping), 0);
    assert!(
        feed(&mut connection, &request(5, true), 0).is_empty(),
        "too late"
    );
    connection.send_head(1, STATUS, true);
    heard.take_all(&mut connection);
    assert_eq!(heard.goaways[1..], [(3, Code::NoError)]);
    assert!(!connection.is_ending());
    connection.send_head(3, STATUS, true);
    assert!(connection.is_ending() && !connection.is_finished());
    heard.take_all(&mut connection);
    assert!(connection.is_finished());
}

#[test]
fn a_peer_that_leaves_is_served_to_its_last_stream() {
    let (mut connection, mut heard) = greeted(Limits::default());
    feed(&mut connection, &request(1, true), 0);
    feed(&mut connection, &frame(Kind::GoAway, 0, 0, &[0; 8]), 0);
    assert!(!connection.is_ending());
    connection.send_head(1, STATUS, true);
    heard.take_all(&mut connection);
    assert!(connection.is_finished());
}

#[test]
fn a_keepalive_is_known_by_its_payload() {
    let (mut connection, mut heard) = greeted(Limits::default());
    connection.ping();
    feed(&mut connection, &frame(Kind::Ping, 1, 0, &[0; 8]), 0);
    assert!(connection.is_ping_unanswered());
    heard.take_all(&mut connection);
    let (_, payload) = heard.frames.last().unwrap().clone();
    feed(&mut connection, &frame(Kind::Ping, 1, 0, &payload), 0);
    assert!(!connection.is_ping_unanswered());
}
