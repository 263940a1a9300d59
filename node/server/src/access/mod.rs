//! Who calls.

mod caller;

pub(crate) use caller::Caller;
