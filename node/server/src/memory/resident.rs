//! What of the process is in memory now.

/// None where the system does not tell (it is asked as Linux has it).
pub(super) fn bytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    in_status(&status)
}

fn in_status(status: &str) -> Option<usize> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::{bytes, in_status};

    #[test]
    fn it_is_read_in_kibibytes() {
        let status = "Name:\tnode\nVmHWM:\t  9000 kB\nVmRSS:\t   8192 kB\nThreads:\t3\n";
        assert_eq!(in_status(status), Some(8 << 20));
        assert_eq!(in_status("Name:\tkthreadd\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn it_follows_what_is_taken() {
        let before = bytes().unwrap();
        let taken = std::hint::black_box(vec![1_u8; 64 << 20]);
        assert!(bytes().unwrap() > before + (48 << 20));
        drop(taken);
    }
}
