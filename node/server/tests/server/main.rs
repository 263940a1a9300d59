//! The data plane over real loopback connections, several nodes in one process.

mod batches;
mod certificates;
mod confirming;
mod copies;
mod crowds;
mod fence;
mod fills;
mod forwarding;
mod freshness;
mod introspection;
mod limits;
mod moving;
mod near;
mod near_watchers;
mod proxy;
mod replication;
mod standard;
mod support;
mod tags;
mod tls;
mod vectors;
mod verbs;
mod watching;
