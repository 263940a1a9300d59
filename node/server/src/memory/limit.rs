//! What entries may take. Pure.

/// Entries may always take this part of the aim, whatever else there is: a cache that
/// holds nothing protects nobody.
const LEAST_PART: usize = 8;
/// The limit rises by this part of what is free at a look, and falls at once.
const RISE_PART: usize = 8;

/// What is known at a look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// What the whole process is to come to.
    pub(super) aim_bytes: usize,
    /// Of the whole process.
    pub(super) resident_bytes: usize,
    /// By entries, as counted.
    pub(super) used_bytes: usize,
    /// What they may take so far.
    pub(super) limit_bytes: usize,
}

/// The new limit.
pub(super) fn of(seen: Seen) -> usize {
    let least = seen.aim_bytes / LEAST_PART;
    let limit = match seen.aim_bytes.checked_sub(seen.resident_bytes) {
        None => {
            let too_much = seen.resident_bytes - seen.aim_bytes;
            seen.used_bytes
                .min(seen.limit_bytes)
                .saturating_sub(too_much)
        }
        Some(free) => {
            // What is allowed and not taken yet is spoken for.
            let wanted = seen.used_bytes.saturating_add(free);
            let rise = wanted.saturating_sub(seen.limit_bytes).div_ceil(RISE_PART);
            wanted.min(seen.limit_bytes.saturating_add(rise))
        }
    };
    limit.clamp(least, seen.aim_bytes)
}

#[cfg(test)]
mod tests {
    use super::{Seen, of};

    const SEEN: Seen = Seen {
        aim_bytes: 1000,
        resident_bytes: 900,
        used_bytes: 600,
        limit_bytes: 600,
    };

    #[test]
    fn what_is_too_much_is_taken_from_entries_at_once() {
        let seen = Seen {
            resident_bytes: 1100,
            ..SEEN
        };
        assert_eq!(of(seen), 500);
        let unused = Seen {
            limit_bytes: 900,
            ..seen
        };
        assert_eq!(of(unused), 500, "by what is used, not by what was allowed");
    }

    #[test]
    fn what_is_free_is_given_bit_by_bit() {
        assert_eq!(of(SEEN), 613);
        let mut seen = SEEN;
        for _ in 0..100 {
            seen.limit_bytes = of(seen);
        }
        assert_eq!(seen.limit_bytes, 700);
    }

    #[test]
    fn what_others_took_is_no_longer_allowed() {
        let seen = Seen {
            resident_bytes: 950,
            limit_bytes: 700,
            ..SEEN
        };
        assert_eq!(of(seen), 650);
    }

    #[test]
    fn entries_keep_a_part_and_never_get_more_than_all() {
        let huge = Seen {
            resident_bytes: 5000,
            ..SEEN
        };
        assert_eq!(of(huge), 125);
        let mut seen = Seen {
            resident_bytes: 100,
            used_bytes: 900,
            limit_bytes: 999,
            ..SEEN
        };
        for _ in 0..10 {
            seen.limit_bytes = of(seen);
        }
        assert_eq!(seen.limit_bytes, 1000);
    }

    #[test]
    fn a_process_that_does_as_told_settles_below_maxmemory() {
        // Entries fill what they may; beside them 250, and a burst of 100 for a while.
        let (mut limit, mut used) = (1000, 0_usize);
        for look in 0..400 {
            let beside = if (100..200).contains(&look) { 350 } else { 250 };
            used = (used + 40).min(limit);
            let seen = Seen {
                aim_bytes: 1000,
                resident_bytes: used + beside,
                used_bytes: used,
                limit_bytes: limit,
            };
            limit = of(seen);
            used = used.min(limit);
            assert!(used + beside <= 1000, "at look {look}");
        }
        assert!(used + 250 > 980, "and uses nearly all of it");
    }
}
