//! The messages of `shoal.v1`, a client stub, and the descriptors for reflection.
//!
//! There is no server stub of the cache: the data plane decodes its requests itself,
//! behind its own boundary (`shoal_server::service`). What nodes say to each other has
//! one, and is not listed by reflection.

/// `shoal.v1`, as far as a node serves it.
#[allow(missing_docs, unreachable_pub, clippy::doc_markdown)]
pub mod v1 {
    tonic::include_proto!("shoal.v1");
}

/// `shoal.v1`, as far as nodes speak it among themselves.
pub mod replication {
    /// Messages, client and server of `Replication`.
    #[allow(missing_docs, unreachable_pub, clippy::doc_markdown, clippy::pedantic)]
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/replication/shoal.v1.rs"));
    }
}

/// A serialized `FileDescriptorSet` of the services that a node serves.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
