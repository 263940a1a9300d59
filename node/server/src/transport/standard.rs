//! What tonic serves: health and reflection, as every gRPC server is expected to, and what
//! the nodes say to each other.

use std::sync::Arc;

use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};
use tonic_reflection::server::Builder;

use crate::node::Node;
use crate::replication;
use crate::service::SERVICE;

/// The longest message to health and reflection. Theirs are short, and tonic keeps what has
/// come of each.
const MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// Health (`""`: the process lives; the cache: it is ready), reflection, replication.
pub(crate) struct Standard {
    pub(super) routes: Routes,
    pub(super) health: HealthReporter,
}

impl Standard {
    pub(crate) async fn new(node: &Arc<Node>) -> Standard {
        let (health, service) = health_reporter();
        health
            .set_service_status(SERVICE, ServingStatus::NotServing)
            .await;
        let reflection = || {
            Builder::configure()
                .register_encoded_file_descriptor_set(shoal_protos::DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                // So that tools print the details of an error, not their bytes.
                .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        };
        let v1 = reflection()
            .build_v1()
            .expect("the descriptors were compiled with this crate");
        let v1alpha = reflection()
            .build_v1alpha()
            .expect("the descriptors were compiled with this crate");
        let routes = Routes::new(service.max_decoding_message_size(MESSAGE_BYTES_MAX))
            .add_service(v1.max_decoding_message_size(MESSAGE_BYTES_MAX))
            .add_service(v1alpha.max_decoding_message_size(MESSAGE_BYTES_MAX))
            .add_service(replication::service(node))
            .prepare();
        Standard { routes, health }
    }

    pub(crate) fn health(&self) -> HealthReporter {
        self.health.clone()
    }
}
