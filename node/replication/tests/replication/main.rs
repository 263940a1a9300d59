//! Hubs, sources, sinks and engines, driven against each other in one process.

mod agent;
mod cluster;
mod following;
mod history;
mod hub;
mod mutants;
mod random;
mod scenarios;
mod simulated;
mod world;
