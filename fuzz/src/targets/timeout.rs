//! `grpc-timeout`: what is read is the number and the unit, and nothing else is read.

use std::time::Duration;

pub(super) fn run(input: &[u8]) {
    assert_eq!(shoal_server::fuzzing::timeout(input), plainly(input));
}

fn plainly(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    if !(1..=8).contains(&digits.len()) {
        return None;
    }
    let mut number = 0_u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number * 10 + u64::from(digit - b'0');
    }
    let unit_ns: u128 = match unit {
        b'H' => 3_600_000_000_000,
        b'M' => 60_000_000_000,
        b'S' => 1_000_000_000,
        b'm' => 1_000_000,
        b'u' => 1000,
        b'n' => 1,
        _ => return None,
    };
    let all_ns = u128::from(number) * unit_ns;
    let seconds = u64::try_from(all_ns / 1_000_000_000).ok()?;
    Some(Duration::new(seconds, (all_ns % 1_000_000_000) as u32))
}
