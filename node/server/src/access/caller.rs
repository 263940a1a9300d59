//! Who is at the other end of a connection, as far as the connection itself tells.

use std::sync::Arc;

/// See the module. The default is somebody of whom nothing is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    /// DNS and URI names of the certificate that was shown, once it was verified.
    pub(crate) names: Arc<[Box<str>]>,
    /// A certificate was shown, and is signed by who this node trusts.
    pub(crate) is_verified: bool,
}
