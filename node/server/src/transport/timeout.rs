//! How long a caller waits, as gRPC says it.

use std::time::Duration;

/// The value of `grpc-timeout`: up to eight digits and a unit.
pub(super) fn timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits
        .iter()
        .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    match unit {
        b'H' => Some(Duration::from_secs(number * 3600)),
        b'M' => Some(Duration::from_secs(number * 60)),
        b'S' => Some(Duration::from_secs(number)),
        b'm' => Some(Duration::from_millis(number)),
        b'u' => Some(Duration::from_micros(number)),
        b'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::timeout;
    use std::time::Duration;

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        assert_eq!(timeout(b"250m"), Some(Duration::from_millis(250)));
        let longest = Duration::from_secs(99_999_999 * 3600);
        assert_eq!(timeout(b"99999999H"), Some(longest));
        assert_eq!(timeout(b"7u"), Some(Duration::from_micros(7)));
        for wrong in ["", "m", "5", "123456789m", "-1m", "5x", "1.5S"] {
            assert_eq!(timeout(wrong.as_bytes()), None, "{wrong:?}");
        }
    }
}
