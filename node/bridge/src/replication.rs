//! What a data plane tells of replication, as Python takes it: the frozen dataclasses of
//! `shoal_node.replication_status`, made by their field names.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use shoal_server::{FollowerStatus, PartitionStatus, Role};

/// A list of `PartitionReplication`.
pub(crate) fn told<'py>(
    py: Python<'py>,
    partitions: &[PartitionStatus],
) -> PyResult<Bound<'py, PyList>> {
    let module = py.import("shoal_node.replication_status")?;
    let partition = module.getattr("PartitionReplication")?;
    let follower = module.getattr("Follower")?;
    let told = partitions.iter().map(|it| {
        let followers = it.followers.iter().map(|it| one(py, &follower, it));
        let followers = followers.collect::<PyResult<Vec<_>>>()?;
        let fields = PyDict::new(py);
        fields.set_item("partition", it.partition)?;
        fields.set_item("role", role(it.role))?;
        fields.set_item("epoch", it.epoch)?;
        fields.set_item("seq", it.position.seq)?;
        fields.set_item("position_epoch", it.position.epoch)?;
        fields.set_item("copy_id", &*it.copy_id)?;
        fields.set_item("followers", PyTuple::new(py, followers)?)?;
        fields.set_item("head_seq", it.position.seq)?;
        partition.call((), Some(&fields))
    });
    PyList::new(py, told.collect::<PyResult<Vec<_>>>()?)
}

fn one<'py>(
    py: Python<'py>,
    class: &Bound<'py, PyAny>,
    follower: &FollowerStatus,
) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("node", &*follower.node)?;
    fields.set_item("copy_id", &*follower.copy_id)?;
    fields.set_item("acked_seq", follower.acked_seq)?;
    fields.set_item("lag_ms", follower.lag_ms)?;
    fields.set_item("is_streaming", follower.is_streaming)?;
    class.call((), Some(&fields))
}

const fn role(role: Role) -> &'static str {
    match role {
        Role::Primary => "primary",
        Role::Follower => "follower",
        Role::Restoring => "restoring",
    }
}
