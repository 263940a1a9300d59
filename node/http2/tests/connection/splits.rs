//! However the bytes are cut, the same comes of them.

use shoal_http2::frame::Kind;
use shoal_http2::{Connection, Limits};

use crate::peer::{BLOCK, data, feed, frame, hello, request, settings, window_update};
use crate::random::Random;

/// Random frames, nearly all of them allowed.
fn script(random: &mut Random) -> Vec<u8> {
    let mut bytes = hello();
    let mut next = 1;
    for _ in 0..random.below(40) {
        let some = 1 + 2 * random.below(8) as u32;
        bytes.extend(match random.below(12) {
            0..=3 => {
                next += 2;
                request(next - 2, random.below(2) == 0)
            }
            4..=5 => data(some, &vec![7; random.below(300)], random.below(3) == 0),
            6 => frame(Kind::Ping, 0, 0, &random.next().to_be_bytes()),
            7 => window_update(some * random.below(2) as u32, 1 + random.below(1000) as u32),
            8 => settings(&[(4, random.below(100_000) as u32)]),
            9 => {
                let cut = random.below(BLOCK.len());
                next += 2;
                let first = frame(Kind::Headers, 0, next - 2, &BLOCK[..cut]);
                let second = frame(Kind::Continuation, 4, next - 2, &BLOCK[cut..]);
                [first, second].concat()
            }
            10 => frame(Kind::Reset, 0, some, &8_u32.to_be_bytes()),
            _ => frame(Kind::Unknown(99), 3, some, &[1, 2, 3]),
        });
    }
    bytes
}

#[test]
fn events_and_answers_do_not_depend_on_where_the_bytes_are_cut() {
    for seed in 0..300 {
        let mut random = Random(seed);
        let script = script(&mut random);
        let run = |cut: &mut dyn FnMut(usize) -> usize| {
            let mut connection: Connection<()> = Connection::new(Limits::default(), &[]);
            let mut events = Vec::new();
            let (mut start, mut end) = (0, 0);
            while end < script.len() {
                end += cut(script.len() - end);
                let mut input = &script[start..end];
                loop {
                    let received = connection.receive(input, 0);
                    start += received.consumed;
                    input = &input[received.consumed..];
                    match received.event {
                        Some(event) => events.push(crate::peer::told(&event)),
                        None => break,
                    }
                }
            }
            let mut heard = crate::peer::Heard::new();
            heard.take_all(&mut connection);
            (events, heard.frames)
        };
        let whole = run(&mut |left| left);
        assert_eq!(whole, run(&mut |_| 1), "seed {seed}, byte by byte");
        let cut = run(&mut |left| 1 + random.below(left.min(50)));
        assert_eq!(whole, cut, "seed {seed}, at random");
    }
}

#[test]
fn random_bytes_break_nothing() {
    for seed in 0..3000 {
        let mut random = Random(seed);
        let mut script = script(&mut random);
        for _ in 0..1 + random.below(4) {
            let at = random.below(script.len());
            script[at] = random.next() as u8;
        }
        let mut connection = Connection::new(Limits::default(), &[]);
        feed(&mut connection, &script, 0);
        assert!(connection.unsent_bytes() < 100_000, "seed {seed}");
    }
}
