//! Streams and requests that stay, up to their bounds and beyond.

use std::net::TcpListener;

use crate::attacker::Attacker;
use crate::calls;
use crate::frame::{code, flag, frame, kind, ping};
use crate::hpack;
use crate::log::{Log, Said};
use crate::process::Server;
use crate::scene::Scene;

const OK: i32 = 0;
const RESOURCE_EXHAUSTED: i32 = 8;
const UNAVAILABLE: i32 = 14;

/// In a partition of its own, which a test may freeze.
const KEY: &str = "cold";

fn watch(attacker: &mut Attacker, stream: u32) {
    attacker.call(stream, "/shoal.v1.Cache/WatchTopology", &[0; 5]);
}

#[test]
fn watches_beyond_the_bound_are_refused_and_their_places_come_back() {
    let scene = Scene::new("watchers_max=50");
    let mut attacker = Attacker::new(&scene.server);
    for n in 0..80 {
        watch(&mut attacker, 2 * n + 1);
    }
    let log = attacker.until("thirty are refused", |log| log.over() == 30);
    for said in log.streams.values().filter(|said| said.is_over()) {
        assert_eq!(said.status(), Some(RESOURCE_EXHAUSTED));
    }
    drop(attacker);
    scene.attackers_are_gone();
    let mut next = Attacker::new(&scene.server);
    let mut stream = 1;
    scene.server.until("a watch is taken again", || {
        watch(&mut next, stream);
        next.is_served();
        let is_taken = !next.look(|log| log.said(stream).is_over());
        stream += 2;
        is_taken
    });
    scene.holds();
}

#[test]
fn streams_beyond_the_bound_are_refused() {
    let scene = Scene::new("");
    let mut attacker = Attacker::new(&scene.server);
    let block = hpack::request("/shoal.v1.Cache/Execute");
    let opened = 1100;
    attacker.flood(opened, |n| {
        frame(kind::HEADERS, flag::END_HEADERS, 2 * n + 1, &block)
    });
    let beyond = opened as usize - 1024;
    let log = attacker.until("refusals", |log| log.ended || log.resets() == beyond);
    if log.ended {
        attacker.is_told(&[code::ENHANCE_YOUR_CALM, code::PROTOCOL_ERROR]);
    } else {
        for said in log.streams.values().filter(|said| said.is_over()) {
            assert_eq!(said.reset, Some(code::REFUSED_STREAM));
        }
        // An end of the first makes room for one more.
        attacker.send(&frame(kind::DATA, flag::END_STREAM, 1, b""));
        assert_eq!(attacker.answer(1).status(), Some(OK));
        attacker.call(2 * opened + 1, "/shoal.v1.Cache/Get", &calls::get("key"));
        assert_eq!(attacker.answer(2 * opened + 1).status(), Some(OK));
    }
    scene.holds();
}

/// Another node that takes connections and never says anything.
#[test]
fn forwards_to_a_peer_that_never_answers() {
    let scene = Scene::new("forwards_max=1000 default_deadline_ms=120000");
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = peer.local_addr().unwrap();
    scene.server.hand_over(KEY, &address.to_string());
    let attackers = ask_for_cold(&scene.server, 2);
    let refused = |log: &Log| {
        let refused = |said: &Said| said.status() == Some(RESOURCE_EXHAUSTED);
        log.streams.values().filter(|said| refused(said)).count()
    };
    scene.server.until("a thousand are refused", || {
        let refused = attackers.iter().map(|attacker| attacker.look(refused));
        refused.sum::<usize>() == 1000
    });
    scene.others_are_served();
    drop(attackers);
    scene.attackers_are_gone();
    scene.holds_within(32 << 20);
}

/// Requests for the cold key, a thousand on each connection.
fn ask_for_cold(server: &Server, connections: u32) -> Vec<Attacker> {
    let ask = |_| {
        let mut attacker = Attacker::new(server);
        for n in 0..1000 {
            attacker.call(2 * n + 1, "/shoal.v1.Cache/Get", &calls::get(KEY));
        }
        attacker
    };
    (0..connections).map(ask).collect()
}

#[test]
fn ten_thousand_requests_wait_and_the_others_are_answered_at_once() {
    let scene = Scene::new("frozen_wait_ms=120000 default_deadline_ms=120000");
    scene.server.freeze(KEY);
    let attackers = ask_for_cold(&scene.server, 12);
    scene.server.until("two thousand are refused", || {
        let refused = attackers.iter().map(|attacker| attacker.look(Log::over));
        refused.sum::<usize>() == 2000
    });
    scene.others_are_served();
    scene.server.thaw(KEY);
    let mut served = 0;
    for attacker in &attackers {
        let log = attacker.until("all are answered", |log| log.over() == 1000);
        for said in log.streams.values() {
            match said.status() {
                Some(OK) => served += 1,
                other => assert_eq!(other, Some(UNAVAILABLE)),
            }
        }
    }
    assert_eq!(served, 10_000);
    scene.holds_within(96 << 20);
}

#[test]
fn waiting_requests_go_with_their_connection() {
    let scene = Scene::new("parked_max=1000 frozen_wait_ms=120000 default_deadline_ms=120000");
    scene.server.freeze(KEY);
    for _ in 0..5 {
        let mut attackers = ask_for_cold(&scene.server, 1);
        // All that were before are gone, so that each of these finds a place.
        let attacker = &mut attackers[0];
        attacker.send(&ping(7));
        attacker.until("a ping is answered", |log| log.ping_acks > 0);
        drop(attackers);
        scene.attackers_are_gone();
    }
    scene.server.thaw(KEY);
    scene.holds_within(48 << 20);
}
