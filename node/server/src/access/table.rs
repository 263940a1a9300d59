//! Roles, and who has them.

use std::collections::HashMap;
use std::fmt;

use crate::access::rights::{Right, Rights};

/// SHA-256 of a token.
pub type Digest = [u8; 32];

/// See the module.
#[derive(Default)]
pub struct AccessTable {
    /// By their numbers: rights, and the prefixes that they are for.
    roles: Vec<(Vec<Right>, Vec<Vec<u8>>)>,
    tokens: HashMap<Digest, Vec<usize>>,
    names: HashMap<String, Vec<usize>>,
}

/// A table that cannot be meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadAccess;

impl fmt::Display for BadAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token or an identity names a role that is not in the table: add it")
    }
}

impl std::error::Error for BadAccess {}

impl AccessTable {
    /// A table of roles (operations by their names, and prefixes), and of who has which,
    /// by their places in the list. Operations that are none of a data plane's are passed
    /// over.
    ///
    /// # Errors
    /// [`BadAccess`] where a role is named that is not there.
    pub fn new(
        roles: Vec<(Vec<String>, Vec<Vec<u8>>)>,
        tokens: Vec<(Digest, Vec<usize>)>,
        names: Vec<(String, Vec<usize>)>,
    ) -> Result<AccessTable, BadAccess> {
        let count = roles.len();
        let had = tokens
            .iter()
            .map(|it| &it.1)
            .chain(names.iter().map(|it| &it.1));
        if had.flatten().any(|role| *role >= count) {
            return Err(BadAccess);
        }
        let known = |operations: Vec<String>| {
            let is_named = |right: &Right| operations.iter().any(|it| it == right.name());
            Right::ALL.into_iter().filter(is_named).collect()
        };
        Ok(AccessTable {
            roles: roles
                .into_iter()
                .map(|(operations, prefixes)| (known(operations), prefixes))
                .collect(),
            tokens: tokens.into_iter().collect(),
            names: names.into_iter().collect(),
        })
    }

    /// The rights of whoever has this token: None: it is not known.
    pub(super) fn of_token(&self, digest: &Digest) -> Option<&[usize]> {
        // Found by a keyed hash of a digest, and compared whole: how long it takes tells
        // nothing of a token, whose digest nobody can choose.
        let (known, roles) = self.tokens.get_key_value(digest)?;
        is_same(known, digest).then_some(roles)
    }

    /// None: the name is not known.
    pub(super) fn of_name(&self, name: &str) -> Option<&[usize]> {
        self.names.get(name).map(Vec::as_slice)
    }

    pub(super) fn rights(&self, roles: impl Iterator<Item = usize>) -> Rights {
        let mut rights = Rights::default();
        for role in roles {
            let (had, prefixes) = &self.roles[role];
            for right in had {
                rights.add(*right, prefixes);
            }
        }
        rights
    }
}

/// Compared in the same time wherever they differ, if they are as long.
pub(crate) fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differs = one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && std::hint::black_box(differs) == 0
}

#[cfg(test)]
mod tests {
    use super::is_same;

    #[test]
    fn what_differs_anywhere_is_not_the_same() {
        assert!(is_same(b"", b"") && is_same(b"abc", b"abc"));
        for other in [&b"abd"[..], b"xbc", b"ab", b"abcd", b""] {
            assert!(
                !is_same(b"abc", other) && !is_same(other, b"abc"),
                "{other:?}"
            );
        }
    }
}
