//! Clients that ask for much and take little of it.

use std::thread;
use std::time::{Duration, Instant};

use shoal_protos::v1;

use crate::attacker::{Attacker, DEADLINE, Flood};
use crate::calls;
use crate::frame::{self, flag, frame, kind, setting, window_update};
use crate::hpack;
use crate::process::WORKER_THREADS;
use crate::scene::Scene;

const GET: &str = "/shoal.v1.Cache/Get";
const SET: &str = "/shoal.v1.Cache/Set";
const KEY: &str = "large";
const VALUE_BYTES: usize = 1_000_000;

/// What one connection may hold of answers that nobody takes, and of what it asked.
const UNREAD_BYTES: u64 = 48 << 20;

/// Between two pings. This is the attack's pace, and no wait for anything.
const PACE: Duration = Duration::from_millis(10);

/// More than one connection may have open at a time.
const STREAMS: u32 = 1000;

/// Store a large value, in pieces that the windows allow.
fn store(scene: &Scene) {
    let mut attacker = Attacker::new(&scene.server);
    let set = calls::message(&v1::SetRequest {
        key: KEY.into(),
        value: vec![7; VALUE_BYTES].into(),
        ..Default::default()
    });
    attacker.call_in_pieces(1, SET, &set);
    let said = attacker.answer(1);
    assert_eq!(said.status(), Some(0), "{said:?}");
}

fn ask(attacker: &mut Attacker, streams: u32) -> Flood {
    for n in 0..streams {
        match attacker.call(2 * n + 1, GET, &calls::get(KEY)) {
            Flood::Taken => {}
            other => return other,
        }
    }
    Flood::Taken
}

#[test]
fn windows_that_never_open() {
    let scene = Scene::new("keepalive_ms=500");
    store(&scene);
    let closed = [(setting::INITIAL_WINDOW_SIZE, 0)];
    let mut attacker = Attacker::deaf(&scene.server, &closed);
    ask(&mut attacker, STREAMS);
    scene.others_are_served();
    scene.attackers_are_gone();
    scene.holds_within(UNREAD_BYTES);
}

/// As above from a client that answers pings, so that only bounds hold it.
#[test]
fn windows_that_never_open_of_a_client_that_is_alive() {
    let scene = Scene::new("");
    store(&scene);
    let closed = [(setting::INITIAL_WINDOW_SIZE, 0)];
    let mut attackers: Vec<Attacker> = (0..4)
        .map(|_| Attacker::with_settings(&scene.server, &closed))
        .collect();
    for attacker in &mut attackers {
        ask(attacker, STREAMS);
        attacker.send(&frame::ping(7));
    }
    scene.others_are_served();
    drop(attackers);
    scene.attackers_are_gone();
    scene.holds_within(2 * UNREAD_BYTES);
}

#[test]
fn windows_that_drip() {
    let scene = Scene::new("");
    store(&scene);
    let closed = [(setting::INITIAL_WINDOW_SIZE, 0)];
    let mut attacker = Attacker::with_settings(&scene.server, &closed);
    ask(&mut attacker, 50);
    for round in 1..200 {
        for n in 0..50 {
            attacker.send(&window_update(2 * n + 1, 1));
        }
        if round % 50 == 0 {
            scene.others_are_served();
        }
    }
    attacker.until("a byte came", |log| !log.said(1).data.is_empty());
    scene.holds_within(UNREAD_BYTES);
}

#[test]
fn a_socket_that_is_never_read() {
    let scene = Scene::new("keepalive_ms=500");
    store(&scene);
    let open = [(setting::INITIAL_WINDOW_SIZE, 0x7fff_ffff)];
    let mut attacker = Attacker::deaf(&scene.server, &open);
    attacker.send(&window_update(0, 0x7fff_0000));
    ask(&mut attacker, STREAMS);
    scene.others_are_served();
    scene.attackers_are_gone();
    scene.holds_within(UNREAD_BYTES);
}

/// It answers and sends pings, and takes nothing.
#[test]
fn windows_that_stay_closed_for_too_long() {
    let scene = Scene::new("stall_timeout_ms=500");
    store(&scene);
    let closed = [(setting::INITIAL_WINDOW_SIZE, 0)];
    let mut attacker = Attacker::with_settings(&scene.server, &closed);
    ask(&mut attacker, 10);
    let end = Instant::now() + DEADLINE;
    while !attacker.look(|log| log.ended) {
        attacker.send(&frame::ping(7));
        assert!(Instant::now() < end, "it is still served");
        thread::sleep(PACE);
    }
    assert_eq!(attacker.look(|log| log.goaway), None);
    scene.attackers_are_gone();
    scene.holds_within(UNREAD_BYTES);
}

/// What was held back comes when the window opens.
#[test]
fn a_window_that_opens_late() {
    let scene = Scene::new("");
    store(&scene);
    let closed = [(setting::INITIAL_WINDOW_SIZE, 0)];
    let mut attacker = Attacker::with_settings(&scene.server, &closed);
    ask(&mut attacker, 20);
    attacker.is_served();
    attacker.send(&window_update(0, 0x7fff_0000));
    attacker.send(&frame::settings(&[(
        setting::INITIAL_WINDOW_SIZE,
        2_000_000,
    )]));
    let log = attacker.until("all answers", |log| log.over() == 20);
    for said in log.streams.values() {
        assert_eq!(said.status(), Some(0));
        assert!(said.data.len() > VALUE_BYTES);
    }
    scene.holds_within(UNREAD_BYTES);
}

/// So many streams of batches, with so many batches each, whose answers nobody reads.
fn execute(attacker: &mut Attacker, streams: u32, batches: u32) {
    let operation = v1::Operation {
        operation: Some(v1::operation::Operation::Get(v1::GetRequest {
            key: KEY.into(),
            ..Default::default()
        })),
    };
    let batch = calls::message(&v1::ExecuteRequest {
        id: 1,
        operations: vec![operation; 4],
        routed: false,
    });
    let block = hpack::request("/shoal.v1.Cache/Execute");
    attacker.flood(streams, |n| {
        frame(kind::HEADERS, flag::END_HEADERS, 2 * n + 1, &block)
    });
    attacker.flood(streams * batches, |n| {
        frame(kind::DATA, flag::NONE, 2 * (n % streams) + 1, &batch)
    });
}

#[test]
fn batches_whose_answers_nobody_reads() {
    let scene = Scene::new("keepalive_ms=500");
    store(&scene);
    let mut attacker = Attacker::deaf(&scene.server, &[]);
    execute(&mut attacker, 8, 50);
    scene.others_are_served();
    scene.attackers_are_gone();
    scene.holds_within(UNREAD_BYTES);
}

#[test]
fn many_streams_of_batches_whose_answers_nobody_reads() {
    let scene = Scene::new("");
    store(&scene);
    let closed = [(setting::INITIAL_WINDOW_SIZE, 0)];
    let mut attacker = Attacker::with_settings(&scene.server, &closed);
    execute(&mut attacker, 200, 1);
    attacker.is_served();
    scene.others_are_served();
    // They go on once they are let.
    attacker.send(&window_update(0, 0x7fff_0000));
    attacker.send(&frame::settings(&[(
        setting::INITIAL_WINDOW_SIZE,
        5_000_000,
    )]));
    attacker.until("all answers", |log| {
        let answered = |said: &crate::log::Said| said.data.len() > 4 * VALUE_BYTES;
        log.streams.values().filter(|said| answered(said)).count() == 200
    });
    scene.holds_within(UNREAD_BYTES);
}

/// Each connection has little, all together have much.
#[test]
fn many_connections_whose_answers_nobody_reads() {
    let scene = Scene::new("held_bytes_max=50000000");
    store(&scene);
    let keys = vec![KEY.into(); 20];
    let asked = calls::message(&v1::MGetRequest {
        keys,
        ..Default::default()
    });
    let closed = [(setting::INITIAL_WINDOW_SIZE, 0)];
    let mut attackers: Vec<Attacker> = (0..15)
        .map(|_| Attacker::with_settings(&scene.server, &closed))
        .collect();
    for attacker in &mut attackers {
        attacker.call(1, "/shoal.v1.Cache/MGet", &asked);
        attacker.send(&frame::ping(7));
        attacker.until("taken", |log| log.ended || log.ping_acks > 0);
    }
    scene.others_are_served();
    drop(attackers);
    scene.attackers_are_gone();
    // Beside what is held each thread of the server may be making one answer.
    scene.holds_within(50_000_000 + WORKER_THREADS as u64 * UNREAD_BYTES);
}

#[test]
fn watches_that_nobody_reads() {
    let scene = Scene::new("");
    scene.server.install_topology(10);
    let closed = [(setting::INITIAL_WINDOW_SIZE, 0)];
    let mut attacker = Attacker::with_settings(&scene.server, &closed);
    let news = calls::message(&v1::WatchTopologyRequest { known_revision: 10 });
    let all = calls::message(&v1::WatchTopologyRequest { known_revision: 0 });
    for n in 0..500 {
        let asked = if n % 2 == 0 { &news } else { &all };
        attacker.call(2 * n + 1, "/shoal.v1.Cache/WatchTopology", asked);
    }
    attacker.is_served();
    scene.server.install_topology(10_000);
    scene.others_are_served();
    scene.holds_within(UNREAD_BYTES);
}
