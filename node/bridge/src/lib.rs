//! `shoal_node._bridge`: the data plane as Python sees it (`_bridge.pyi`).
//!
//! Thin: it converts arguments and errors, owns the tokio runtime, and lets go of
//! the GIL for everything that may wait. Nothing here decides anything, and no
//! panic crosses the border: OSError, ValueError and RuntimeError do.

mod data_plane;
mod errors;
mod replication;
mod settings;
mod simulation;
mod snapshot;

use pyo3::prelude::*;

/// The module's members.
#[pymodule]
mod _bridge {
    #[pymodule_export]
    use super::boottime_ns;
    #[pymodule_export]
    use super::data_plane::DataPlane;
    #[pymodule_export]
    use super::simulation::{SimulatedCopies, SimulatedMessage};
}

/// CLOCK_BOOTTIME: monotonic, and counts the time that the machine is suspended.
#[pyfunction]
fn boottime_ns() -> u64 {
    shoal_server::boottime_ns()
}
