//! One caller: what it has shown, and what the table says of that.
//!
//! It is known by a token, by the names of its certificate, or by both, and has the rights
//! of all of them. A token that the table does not know makes it nobody, whatever else it
//! shows: somebody relies on it.

use std::sync::Arc;

use ring::digest::{SHA256, digest};

use crate::access::rights::{May, Rights};
use crate::access::{AccessTable, Caller, Digest};
use crate::failure::Failure;

/// See the module.
pub(crate) struct Asker {
    token: Token,
    names: Arc<[Box<str>]>,
    /// The number of the table that says so.
    number: u64,
    /// None: nobody that the table knows.
    rights: Option<Rights>,
}

/// What stands in the head.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    None,
    Of(Digest),
    /// Something that is no token.
    Unreadable,
}

impl Token {
    fn of(authorization: Option<&[u8]>) -> Token {
        const SCHEME: &[u8] = b"bearer ";
        let Some(text) = authorization else {
            return Token::None;
        };
        match text.split_at_checked(SCHEME.len()) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(SCHEME) => {
                let mut sha256 = Digest::default();
                sha256.copy_from_slice(digest(&SHA256, token.trim_ascii()).as_ref());
                Token::Of(sha256)
            }
            _ => Token::Unreadable,
        }
    }
}

impl Asker {
    pub(super) fn new(
        authorization: Option<&[u8]>,
        caller: &Caller,
        number: u64,
        table: &AccessTable,
    ) -> Asker {
        let token = Token::of(authorization);
        Asker {
            token,
            rights: rights(token, &caller.names, table),
            names: caller.names.clone(),
            number,
        }
    }

    /// The same, as a newer table has it.
    pub(super) fn again(&self, number: u64, table: &AccessTable) -> Asker {
        Asker {
            token: self.token,
            rights: rights(self.token, &self.names, table),
            names: self.names.clone(),
            number,
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// What it may do.
    ///
    /// # Errors
    /// Where it is nobody that is known.
    pub(crate) fn may(&self) -> Result<May<'_>, Failure> {
        match &self.rights {
            Some(rights) => Ok(May::only(rights)),
            None => Err(Failure::NotKnown(match self.token {
                Token::None => "show a token or a certificate that this node's access file has",
                Token::Of(_) => "this node's access file does not have the token: take another",
                Token::Unreadable => "authorization is not 'Bearer' and a token: correct it",
            })),
        }
    }
}

fn rights(token: Token, names: &[Box<str>], table: &AccessTable) -> Option<Rights> {
    let of_token = match token {
        Token::None => None,
        Token::Of(digest) => Some(table.of_token(&digest)?),
        Token::Unreadable => return None,
    };
    let of_names = names.iter().filter_map(|name| table.of_name(name));
    let mut known = of_token.into_iter().chain(of_names).peekable();
    known.peek()?;
    Some(table.rights(known.flatten().copied()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ring::digest::{SHA256, digest};

    use crate::access::{Access, AccessTable, Caller, Right};
    use crate::failure::Failure;

    fn table(token: &str, name: &str, prefix: &str) -> AccessTable {
        let sha256 = digest(&SHA256, token.as_bytes())
            .as_ref()
            .try_into()
            .unwrap();
        let role = |right: &str| (vec![right.into()], vec![prefix.as_bytes().to_vec()]);
        AccessTable::new(
            vec![role("read"), role("write")],
            vec![(sha256, vec![0])],
            vec![(name.into(), vec![1])],
        )
        .unwrap()
    }

    fn caller(name: &str) -> Caller {
        Caller {
            names: Arc::new([name.into()]),
            is_verified: true,
        }
    }

    #[test]
    fn rights_are_those_of_the_token_and_of_the_names() {
        let access = Access::new();
        let nobody = Caller::default();
        assert!(access.asker(None, &nobody).is_none(), "nothing is checked");
        access.set(table("t0", "app.example", "a:"));
        let told = |authorization: Option<&str>, caller: &Caller| {
            let asker = access
                .asker(authorization.map(str::as_bytes), caller)
                .unwrap();
            let may = asker.may().ok()?;
            Some([Right::Read, Right::Write].map(|right| may.check(right, b"a:1").is_ok()))
        };
        assert_eq!(told(None, &nobody), None);
        assert_eq!(told(Some("Bearer t1"), &nobody), None);
        assert_eq!(told(Some("Basic t0"), &nobody), None);
        assert_eq!(told(Some("Bearer t0"), &nobody), Some([true, false]));
        assert_eq!(told(Some("bearer t0"), &nobody), Some([true, false]));
        let app = caller("app.example");
        assert_eq!(told(None, &app), Some([false, true]));
        assert_eq!(told(Some("Bearer t0"), &app), Some([true, true]));
        assert_eq!(told(Some("Bearer t1"), &app), None, "somebody relies on it");
        assert_eq!(told(None, &caller("app.example.com")), None);
    }

    #[test]
    fn a_newer_table_holds_for_whoever_is_there() {
        let access = Access::new();
        access.set(table("t0", "n", "a:"));
        let before = access.asker(Some(b"Bearer t0"), &Caller::default());
        access.set(table("t0", "n", "b:"));
        assert!(!access.is_current(before.as_deref()));
        let after = access.renewed(before).unwrap();
        assert!(access.is_current(Some(&after)));
        let may = after.may().ok().unwrap();
        let refused = may.check(Right::Read, b"a:1");
        assert_eq!(refused, Err(Failure::NotAllowed("read")));
        assert!(may.check(Right::Read, b"b:1").is_ok());
        access.set(table("t1", "n", "b:"));
        assert!(access.renewed(Some(after)).unwrap().may().is_err());
    }

    #[test]
    fn a_role_that_is_not_there_is_refused() {
        assert!(AccessTable::new(vec![], vec![([0; 32], vec![0])], vec![]).is_err());
    }
}
