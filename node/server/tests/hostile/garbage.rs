//! Random frames. A test prints its seed, and `SHOAL_SEED` sets it.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::attacker::Attacker;
use crate::calls;
use crate::frame::{PREFACE, flag, frame, head, kind};
use crate::hpack;
use crate::scene::Scene;

const CONNECTIONS: u32 = 150;
const FRAMES: u32 = 60;

/// The generator `SplitMix64`.
struct Random(u64);

impl Random {
    fn seeded() -> Random {
        let seed = std::env::var("SHOAL_SEED").map_or_else(
            |_| {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
                u64::try_from(now.as_nanos() & u128::from(u64::MAX)).unwrap()
            },
            |seed| seed.parse().unwrap(),
        );
        println!("SHOAL_SEED={seed}");
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u32) -> u32 {
        u32::try_from(self.next() % u64::from(bound)).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn bytes(&mut self, count: u32) -> Vec<u8> {
        (0..count).map(|_| self.byte()).collect()
    }

    fn chance(&mut self, one_in: u32) -> bool {
        self.below(one_in) == 0
    }

    /// A frame with a valid head; what it holds and where it comes is random.
    fn frame(&mut self) -> Vec<u8> {
        let kind = u8::try_from(self.below(11)).unwrap();
        let stream = if self.chance(3) { 0 } else { self.below(20) };
        let flags = if self.chance(2) {
            self.byte()
        } else {
            flag::END_HEADERS
        };
        let length = match kind {
            kind::PING => 8,
            kind::WINDOW_UPDATE | kind::RST_STREAM => 4,
            kind::PRIORITY => 5,
            kind::SETTINGS => 6 * self.below(4),
            _ => self.below(300),
        };
        let length = if self.chance(8) {
            self.below(40)
        } else {
            length
        };
        let payload = self.bytes(length);
        frame(kind, flags, stream, &payload)
    }

    /// Requests that are good but for a few bytes.
    fn nearly_good(&mut self, stream: u32) -> Vec<u8> {
        let methods = ["Get", "Execute", "WatchTopology", "MGet", "Nothing"];
        let method = methods[self.below(5) as usize];
        let block = hpack::request(&format!("/shoal.v1.Cache/{method}"));
        let mut bytes = [
            frame(kind::HEADERS, flag::END_HEADERS, stream, &block),
            frame(kind::DATA, flag::END_STREAM, stream, &calls::get("key")),
        ]
        .concat();
        for _ in 0..self.below(3) {
            let at = self.below(u32::try_from(bytes.len()).unwrap()) as usize;
            bytes[at] = self.byte();
        }
        bytes
    }
}

/// Send it all, speak no more, and see the connection end.
fn ends(scene: &Scene, bytes: &[u8]) {
    let mut attacker = Attacker::deaf(&scene.server, &[]);
    attacker.send(bytes);
    attacker.hush();
    attacker.listen_to_anything();
    attacker.until_closed();
}

#[test]
fn random_frames() {
    let mut random = Random::seeded();
    let scene = Scene::new("");
    for _ in 0..CONNECTIONS {
        let frames: Vec<u8> = (0..FRAMES).flat_map(|_| random.frame()).collect();
        ends(&scene, &frames);
    }
    scene.attackers_are_gone();
    scene.holds();
}

#[test]
fn requests_with_a_few_wrong_bytes() {
    let mut random = Random::seeded();
    let scene = Scene::new("");
    for _ in 0..CONNECTIONS {
        let frames: Vec<u8> = (0..FRAMES)
            .flat_map(|n| random.nearly_good(2 * n + 1))
            .collect();
        ends(&scene, &frames);
    }
    scene.attackers_are_gone();
    scene.holds();
}

#[test]
fn random_bytes_instead_of_frames() {
    let mut random = Random::seeded();
    let scene = Scene::new("");
    for n in 0..CONNECTIONS {
        let mut attacker = Attacker::silent(&scene.server);
        if n % 2 == 0 {
            attacker.send(PREFACE);
        }
        let count = random.below(4000);
        attacker.send(&random.bytes(count));
        attacker.hush();
        attacker.listen_to_anything();
        attacker.until_closed();
    }
    scene.attackers_are_gone();
    scene.holds();
}

#[test]
fn connections_cut_in_the_middle_of_a_frame() {
    let mut random = Random::seeded();
    let scene = Scene::new("");
    for n in 0..CONNECTIONS {
        let mut attacker = Attacker::new(&scene.server);
        let kind = u8::try_from(n % 11).unwrap();
        let length = 1 + random.below(1000);
        attacker.send(&head(length as usize, kind, flag::NONE, n % 3));
        let sent = random.below(length);
        attacker.send(&random.bytes(sent));
        attacker.hush();
        attacker.until_closed();
    }
    scene.attackers_are_gone();
    scene.holds();
}
