//! What one caller may do: for each right the prefixes that it has it for.

use crate::failure::Failure;

/// What a role allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    /// To read keys.
    Read,
    /// To write them.
    Write,
    /// To invalidate tags.
    Invalidate,
    /// To be told who owns what, and what near caches may no longer hold.
    Watch,
    /// To follow this node, and to send it what others have asked.
    Peer,
}

/// Rights that there are here; others are of no concern to a data plane.
const RIGHTS: usize = 5;

impl Right {
    pub(crate) const ALL: [Right; RIGHTS] = [
        Right::Read,
        Right::Write,
        Right::Invalidate,
        Right::Watch,
        Right::Peer,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Right::Read => "read",
            Right::Write => "write",
            Right::Invalidate => "invalidate",
            Right::Watch => "watch",
            Right::Peer => "peer",
        }
    }
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rights([Scope; RIGHTS]);

/// What a right is had for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Scope {
    is_had: bool,
    /// Sorted, and none begins with another.
    prefixes: Vec<Box<[u8]>>,
}

impl Scope {
    fn add(&mut self, prefixes: &[Vec<u8>]) {
        self.is_had = true;
        let added = prefixes.iter().map(|it| it.clone().into_boxed_slice());
        self.prefixes.extend(added);
        self.prefixes.sort();
        // What begins with another stands behind it, with nothing between that does not.
        self.prefixes
            .dedup_by(|longer, shorter| longer.starts_with(shorter));
    }

    fn has(&self, name: &[u8]) -> bool {
        // Of those that are not above the name, only the last can be a prefix of it: one
        // before that would be a prefix of the last as well.
        let above = self.prefixes.partition_point(|prefix| **prefix <= *name);
        above > 0 && name.starts_with(&self.prefixes[above - 1])
    }
}

impl Rights {
    pub(crate) fn add(&mut self, right: Right, prefixes: &[Vec<u8>]) {
        self.0[right as usize].add(prefixes);
        if right == Right::Peer {
            // What it sends on is another's, who was asked about it there.
            for right in [Right::Read, Right::Write, Right::Invalidate] {
                self.0[right as usize].add(&[Vec::new()]);
            }
        }
    }

    /// For this key, or this tag.
    fn has(&self, right: Right, name: &[u8]) -> bool {
        self.0[right as usize].has(name)
    }

    /// For something, be it nothing that there is yet.
    fn has_at_all(&self, right: Right) -> bool {
        self.0[right as usize].is_had
    }
}

/// What the caller of one request may do.
#[derive(Clone, Copy)]
pub(crate) struct May<'a>(Option<&'a Rights>);

impl<'a> May<'a> {
    /// Everything.
    pub(crate) const ALL: May<'static> = May(None);

    pub(crate) fn only(rights: &'a Rights) -> May<'a> {
        May(Some(rights))
    }

    /// # Errors
    /// Where it may not do that with this key, or this tag.
    #[inline]
    pub(crate) fn check(self, right: Right, name: &[u8]) -> Result<(), Failure> {
        match self.0 {
            None => Ok(()),
            Some(rights) if rights.has(right, name) => Ok(()),
            Some(_) => Err(Failure::NotAllowed(right.name())),
        }
    }

    /// # Errors
    /// Where it may not do that with anything.
    pub(crate) fn check_at_all(self, right: Right) -> Result<(), Failure> {
        match self.0 {
            None => Ok(()),
            Some(rights) if rights.has_at_all(right) => Ok(()),
            Some(_) => Err(Failure::NotAllowed(right.name())),
        }
    }

    /// Whether nothing is kept from it that has to do with this.
    pub(crate) fn is_whole(self, right: Right) -> bool {
        self.0.is_none_or(|rights| rights.has(right, b""))
    }
}

#[cfg(test)]
mod tests {
    use super::{May, Right, Rights};
    use proptest::prelude::*;

    #[test]
    fn nothing_is_allowed_that_is_not_said() {
        let mut rights = Rights::default();
        rights.add(Right::Read, &[b"a:".to_vec()]);
        let may = May::only(&rights);
        assert!(may.check(Right::Read, b"a:1").is_ok());
        assert!(may.check(Right::Read, b"a:").is_ok());
        for key in [&b"a"[..], b"", b"b", b"a;", b"A:1"] {
            assert!(may.check(Right::Read, key).is_err(), "{key:?}");
        }
        for right in [Right::Write, Right::Invalidate, Right::Watch, Right::Peer] {
            assert!(may.check(right, b"a:1").is_err(), "{right:?}");
            assert!(may.check_at_all(right).is_err(), "{right:?}");
        }
        assert!(!may.is_whole(Right::Read));
    }

    #[test]
    fn without_prefixes_a_right_is_for_no_key() {
        let mut rights = Rights::default();
        rights.add(Right::Watch, &[]);
        let may = May::only(&rights);
        assert!(may.check_at_all(Right::Watch).is_ok());
        assert!(may.check(Right::Watch, b"k").is_err());
    }

    #[test]
    fn a_peer_may_do_what_it_was_asked_to() {
        let mut rights = Rights::default();
        rights.add(Right::Peer, &[]);
        let may = May::only(&rights);
        for right in [Right::Read, Right::Write, Right::Invalidate] {
            assert!(may.check(right, b"any").is_ok(), "{right:?}");
        }
        assert!(may.check_at_all(Right::Watch).is_err());
    }

    proptest! {
        /// Against the plain meaning: some prefix is a beginning of the name.
        #[test]
        fn prefixes_mean_what_they_say(
            sets in prop::collection::vec(prop::collection::vec(prop::collection::vec(0u8..3, 0..4), 0..6), 1..4),
            name in prop::collection::vec(0u8..3, 0..6),
        ) {
            let mut rights = Rights::default();
            for prefixes in &sets {
                rights.add(Right::Write, prefixes);
            }
            let plain = sets.iter().flatten().any(|prefix| name.starts_with(prefix));
            prop_assert_eq!(May::only(&rights).check(Right::Write, &name).is_ok(), plain);
        }
    }
}
