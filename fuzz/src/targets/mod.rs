//! Every target, by name. One file each; `seeds/` holds a folder of the same name.

mod connection;
mod engine;
mod frames;
mod framing;
mod hpack;
mod replication_batch;
mod requests;
mod responses;
mod timeout;
mod topology;

/// A name, and what it runs.
#[derive(Clone, Copy)]
pub struct Target {
    /// Also the folder of its corpus.
    pub name: &'static str,
    /// Panics where something is wrong.
    pub run: fn(&[u8]),
}

impl Target {
    /// Every target.
    pub const ALL: &[Target] = &[
        Target {
            name: "connection",
            run: connection::run,
        },
        Target {
            name: "engine",
            run: engine::run,
        },
        Target {
            name: "frames",
            run: frames::run,
        },
        Target {
            name: "framing",
            run: framing::run,
        },
        Target {
            name: "hpack",
            run: hpack::run,
        },
        Target {
            name: "replication_batch",
            run: replication_batch::run,
        },
        Target {
            name: "requests",
            run: requests::run,
        },
        Target {
            name: "responses",
            run: responses::run,
        },
        Target {
            name: "timeout",
            run: timeout::run,
        },
        Target {
            name: "topology",
            run: topology::run,
        },
    ];
}

/// The target of this name.
#[must_use]
pub fn named(name: &str) -> Option<Target> {
    Target::ALL
        .iter()
        .find(|target| target.name == name)
        .copied()
}
