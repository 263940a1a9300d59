//! Clients that take their time.

use std::thread;
use std::time::{Duration, Instant};

use crate::attacker::{Attacker, DEADLINE, Flood};
use crate::calls;
use crate::frame::{PREFACE, flag, frame, head, kind, settings};
use crate::hpack;
use crate::scene::Scene;

/// Between two bytes. This is the attack's pace, and no wait for anything.
const PACE: Duration = Duration::from_millis(10);

/// Send byte by byte, over and over, until the server has had enough.
fn drips(attacker: &mut Attacker, bytes: &[u8]) {
    let end = Instant::now() + DEADLINE;
    for byte in bytes.iter().cycle() {
        if attacker.send(&[*byte]) == Flood::Ended {
            return;
        }
        assert!(Instant::now() < end, "it goes on listening");
        thread::sleep(PACE);
    }
}

#[test]
fn connections_that_never_speak() {
    let scene = Scene::new("handshake_timeout_ms=300");
    let silent: Vec<Attacker> = (0..100).map(|_| Attacker::silent(&scene.server)).collect();
    scene.attackers_are_gone();
    drop(silent);
    scene.holds();
}

#[test]
fn connections_that_only_greet() {
    let scene = Scene::new("handshake_timeout_ms=300");
    let greeted: Vec<Attacker> = (0..100).map(|_| Attacker::new(&scene.server)).collect();
    scene.attackers_are_gone();
    drop(greeted);
    scene.holds();
}

#[test]
fn a_preface_byte_by_byte() {
    let scene = Scene::new("handshake_timeout_ms=300");
    let mut attacker = Attacker::silent(&scene.server);
    let long = [PREFACE, &settings(&[(0x4000, 1); 200])].concat();
    drips(&mut attacker, &long);
    scene.attackers_are_gone();
    scene.holds();
}

#[test]
fn headers_byte_by_byte() {
    let scene = Scene::new("handshake_timeout_ms=300");
    let mut attacker = Attacker::new(&scene.server);
    let block = hpack::literal("a", &"v".repeat(10_000));
    drips(&mut attacker, &frame(kind::HEADERS, flag::NONE, 1, &block));
    scene.attackers_are_gone();
    scene.holds();
}

#[test]
fn pings_instead_of_a_request() {
    let scene = Scene::new("handshake_timeout_ms=300");
    let mut attacker = Attacker::new(&scene.server);
    drips(&mut attacker, &crate::frame::ping(7));
    scene.attackers_are_gone();
    scene.holds();
}

/// The second request's headers never end. The first had its deadline met.
#[test]
fn headers_byte_by_byte_after_a_request() {
    let scene = Scene::new("handshake_timeout_ms=300 idle_timeout_ms=300 keepalive_timeout_ms=300");
    let mut attacker = Attacker::new(&scene.server);
    attacker.call(1, "/shoal.v1.Cache/Get", &calls::get("key"));
    assert_eq!(attacker.answer(1).status(), Some(0));
    let block = hpack::literal("a", &"v".repeat(10_000));
    drips(&mut attacker, &frame(kind::HEADERS, flag::NONE, 3, &block));
    scene.attackers_are_gone();
    scene.holds();
}

/// A message must come whole in time, however often a byte comes.
#[test]
fn a_body_byte_by_byte() {
    let scene = Scene::new("body_timeout_ms=300");
    let mut attacker = Attacker::new(&scene.server);
    let block = hpack::request("/shoal.v1.Cache/Set");
    let open = frame(kind::HEADERS, flag::END_HEADERS, 1, &block);
    let prefix = frame(kind::DATA, flag::NONE, 1, &[0, 0, 1, 0, 0]);
    attacker.send(&[open, prefix].concat());
    let end = Instant::now() + DEADLINE;
    let byte = frame(kind::DATA, flag::NONE, 1, b"v");
    while attacker.send(&byte) == Flood::Taken {
        if attacker.look(|log| log.ended || log.said(1).is_over()) {
            break;
        }
        assert!(Instant::now() < end, "it goes on waiting for a body");
        thread::sleep(PACE);
    }
    scene.holds();
}

/// A frame is announced and does not come.
#[test]
fn half_a_frame() {
    let scene = Scene::new("handshake_timeout_ms=300");
    let mut attacker = Attacker::new(&scene.server);
    attacker.send(&head(10_000, kind::HEADERS, flag::WHOLE, 1));
    attacker.until_closed();
    scene.holds();
}

/// A peer that is gone without a word does not answer pings.
#[test]
fn a_client_that_is_gone_without_a_word() {
    let scene = Scene::new("keepalive_ms=300");
    let mut attacker = Attacker::deaf(&scene.server, &[]);
    attacker.listen_only();
    attacker.call(1, "/shoal.v1.Cache/Get", &calls::get("key"));
    assert_eq!(attacker.answer(1).status(), Some(0));
    scene.attackers_are_gone();
    scene.holds();
}
