//! The messages of `shoal.v1`, a client stub, and the descriptors for reflection.
//!
//! There is no server stub: the data plane decodes requests itself, behind its
//! own boundary (`shoal_server::service`).

/// `shoal.v1`, as far as a node serves it.
#[allow(missing_docs, unreachable_pub, clippy::doc_markdown)]
pub mod v1 {
    tonic::include_proto!("shoal.v1");
}

/// A serialized `FileDescriptorSet` of the services that a node serves.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
