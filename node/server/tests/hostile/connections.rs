//! Connections that only take up room.

use std::net::TcpStream;

use crate::attacker::Attacker;
use crate::process::allow_files;
use crate::scene::{MEMORY_BYTES, Scene};

/// What a connection may cost that has said nothing: buffers and tasks.
const SILENT_BYTES: u64 = 24 * 1024;

#[test]
fn connections_up_to_the_bound_and_one_more() {
    let room = allow_files().saturating_sub(200).min(3000);
    let count = usize::try_from(room).unwrap();
    // The connection that behaves is one of them.
    let bounds = format!("connections_max={} handshake_timeout_ms=120000", count + 1);
    let scene = Scene::new(&bounds);
    let mut silent = Vec::new();
    while silent.len() < count {
        // No more at once than wait to be accepted.
        for _ in 0..(count - silent.len()).min(250) {
            silent.push(TcpStream::connect(scene.server.address).unwrap());
        }
        let counted = silent.len() + 1;
        scene
            .server
            .until("they are counted", || scene.server.connections() == counted);
    }
    let refused = Attacker::new(&scene.server);
    refused.until_closed();
    scene.others_are_served();
    silent.truncate(count / 2);
    scene.server.until("half are gone", || {
        scene.server.connections() <= count / 2 + 1
    });
    Attacker::new(&scene.server).is_served();
    drop(silent);
    scene.attackers_are_gone();
    scene.holds_within(MEMORY_BYTES + room * SILENT_BYTES);
}

#[test]
fn connections_that_come_and_go_leave_nothing() {
    let scene = Scene::new("");
    for n in 0..2000 {
        let attacker = if n % 2 == 0 {
            Attacker::silent(&scene.server)
        } else {
            Attacker::deaf(&scene.server, &[])
        };
        drop(attacker);
    }
    scene.attackers_are_gone();
    scene.holds();
}
