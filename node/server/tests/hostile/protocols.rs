//! Other protocols on the port, and HTTP/2 that begins wrongly.

use crate::attacker::Attacker;
use crate::frame::{PREFACE, ping, settings};
use crate::scene::Scene;

#[test]
fn other_protocols() {
    let scene = Scene::new("");
    let tls = [
        &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc][..],
        &[3; 508],
    ]
    .concat();
    let mut wrong = PREFACE.to_vec();
    wrong[20] ^= 1;
    let begins: [(&str, Vec<u8>); 8] = [
        ("HTTP/1.1", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        (
            "an upgrade",
            b"GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n".to_vec(),
        ),
        ("a long HTTP/1.1", b"GET / HTTP/1.1\r\nA: ".repeat(5000)),
        ("TLS", tls),
        ("RESP", b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n".to_vec()),
        ("zeros", vec![0; 1000]),
        ("a wrong preface", [wrong, settings(&[])].concat()),
        ("a ping before settings", [PREFACE, &ping(1)].concat()),
    ];
    for (name, bytes) in begins {
        let mut attacker = Attacker::silent(&scene.server);
        attacker.listen_to_anything();
        attacker.send(&bytes);
        attacker.until(name, |log| log.ended);
    }
    scene.attackers_are_gone();
    scene.holds();
}
