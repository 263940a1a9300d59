//! What fuzz targets need of the inside. Only with the feature `fuzzing`; no promise
//! is made of any of it.

use std::sync::Arc;

use crate::clock::Clock;
use crate::node::Node;
use crate::service::CacheService;
use crate::settings::Settings;

pub use crate::service::fuzzing::{Framed, count_fields, get_response, subject, with_routed};
pub use crate::transport::fuzzing::{Refusal, gather, messages, timeout};

/// A clock that stands still.
struct Still;

impl Clock for Still {
    fn boottime_ns(&self) -> u64 {
        1_000_000_000
    }
}

/// The service of a node that serves every partition under epoch 1, and whose lease
/// never runs out. It needs no runtime: nothing ever waits.
#[must_use]
pub fn service(settings: Settings) -> CacheService {
    let partitions = settings.partition_count;
    let node = Node::new(settings, None, Arc::new(Still));
    node.fence.set_deadline(u64::MAX);
    for partition in 0..partitions {
        let opened = node
            .replication
            .hub
            .open(&node.engine, partition, 1, "fuzzed-copy");
        assert!(opened.is_ok() && node.ownership.open(partition, 1).is_ok());
    }
    CacheService::new(Arc::new(node))
}
