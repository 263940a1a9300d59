//! Who is at the other end of a connection, as far as its certificate says.

use std::sync::Arc;

/// The peer of one connection. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The DNS and URI names of its certificate, DNS names in lower case. None where it
    /// showed none, or one without such names.
    pub names: Arc<[Box<str>]>,
    /// It showed a certificate of the authority that this node trusts.
    pub is_verified: bool,
}

impl Caller {
    /// One that showed a certificate which was verified, with these names.
    pub(crate) fn verified(names: impl IntoIterator<Item = String>) -> Caller {
        Caller {
            names: names.into_iter().map(String::into_boxed_str).collect(),
            is_verified: true,
        }
    }
}
