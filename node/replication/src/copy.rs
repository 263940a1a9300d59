//! A copy: one node's data of one partition, from when it started from nothing.

use std::fmt;
use std::sync::Arc;

/// Names a copy. Two of one node are different data.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Copy {
    /// The node that holds it.
    pub node: Arc<str>,
    /// New whenever the copy starts from nothing.
    pub copy_id: Arc<str>,
}

impl Copy {
    /// The copy of this node and id.
    pub fn new(node: &str, copy_id: &str) -> Copy {
        Copy {
            node: node.into(),
            copy_id: copy_id.into(),
        }
    }
}

impl fmt::Display for Copy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.node, self.copy_id)
    }
}
