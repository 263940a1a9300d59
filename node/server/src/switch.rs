//! The background task that takes the partitions to another eviction policy, a bounded
//! number of entries at each hold of a partition's lock.

use std::sync::Arc;

use crate::node::Node;

/// Entries at each hold of a lock.
const BUDGET: usize = 256;

/// Runs until every partition has got there. Two of them may run at a time: a later
/// change is then made by both.
pub(crate) async fn go_on(node: Arc<Node>) {
    for partition in 0..node.partition_count {
        while node.engine.continue_switch(partition, BUDGET) {
            tokio::task::yield_now().await;
        }
    }
}
