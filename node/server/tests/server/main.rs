//! The data plane over real loopback connections, several nodes in one process.

mod batches;
mod fence;
mod forwarding;
mod introspection;
mod limits;
mod moving;
mod standard;
mod support;
mod vectors;
mod verbs;
mod watching;
