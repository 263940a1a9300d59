//! The server of Shoal's data plane.
//!
//! The rooms, from the wire inwards; each knows only those below it:
//!
//! ```text
//! data_plane   what the agent drives: start, open, freeze, stop, stats
//! transport    HTTP/2 and gRPC framing, health, reflection; knows no message
//! service      one verb a file: bytes in, bytes or a failure out; knows no HTTP/2
//! access       who may do what
//! forward      what another node answers
//! fills        who loads a key that many miss at once
//! replication  who follows this node, and whom it follows
//! near         what callers may answer themselves, and hear of when it changes
//! routing      where a partition is: here, there, or nowhere for now
//! node         the way to the engine: enter, check, evaluate, check again, answer
//!   visit      several operations on that way, checked together
//!   commit     what an answer waits for
//!   fence      until when this node may act as a primary
//!   ownership  which partitions it serves, and which are frozen
//!   topology   who serves the others
//! tls          certificates, and the connections that show them
//! access       who calls
//! introspection   what the node knows of its own work
//! failure, reasons   everything that can go wrong, drawn once
//! ```
//!
//! Non-goals: deciding who owns what (the agent does), and keeping data (the
//! engine does).

mod access;
mod ahead;
mod clock;
mod commit;
mod counters;
mod data_plane;
mod expiry;
pub mod failure;
mod fence;
mod fills;
mod forward;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod introspection;
mod memory;
mod near;
mod node;
mod ownership;
pub mod reasons;
mod replication;
mod routing;
pub mod service;
mod settings;
pub mod slot;
mod switch;
mod sync;
mod tls;
pub mod topology;
mod transport;
mod visit;

#[cfg(explored)]
#[path = "../../explore/server/src/scenarios.rs"]
pub mod scenarios;

pub use access::{AccessTable, BadAccess, Digest};
pub use clock::{Clock, SystemClock, boottime_ns};
pub use data_plane::{BadPartition, DataPlane, Stats};
pub use forward::BadToken;
pub use introspection::{
    BigKey, BigKeysTold, HotKey, HotKeysTold, MethodDurations, SlowRequest, SlowTold, Snapshot,
};
pub use node::Node;
pub use replication::BadRole;
pub use settings::{BadSetting, Limits, Settings};
pub use shoal_engine::{Eviction, PartitionStats, Role};
pub use shoal_http2::{Limits as Http2Limits, Rate};
pub use shoal_replication::{FollowerStatus, PartitionStatus, Traffic};
pub use tls::{BadTls, HandshakesTold, TlsFiles};
