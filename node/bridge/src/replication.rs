//! What a data plane tells of replication, as Python takes it: the named tuples of
//! `shoal_node.replication_status`. Their fields go in the order in which they stand there:
//! by name each would be looked for among all, which took most of the time of telling. They are
//! made as their own `_make` makes them, by `tuple.__new__`: their own one is written in Python.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyList, PyString, PyTuple, PyType};
use shoal_server::{FollowerStatus, PartitionStatus, Role};

const MODULE: &str = "shoal_node.replication_status";

/// A list of `PartitionReplication`.
pub(crate) fn told<'py>(
    py: Python<'py>,
    partitions: &[PartitionStatus],
) -> PyResult<Bound<'py, PyList>> {
    static PARTITION: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static FOLLOWER: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let partition = PARTITION.import(py, MODULE, "PartitionReplication")?;
    let follower = FOLLOWER.import(py, MODULE, "Follower")?;
    let make = make(py)?;
    let told = partitions.iter().map(|it| {
        let followers = it.followers.iter().map(|it| one(make, follower, it));
        let followers = followers.collect::<PyResult<Vec<_>>>()?;
        let fields = (
            it.partition,
            role(py, it.role),
            it.epoch,
            it.position.seq,
            it.position.epoch,
            &*it.copy_id,
            PyTuple::new(py, followers)?,
            it.position.seq,
        );
        make.call1((partition, fields))
    });
    PyList::new(py, told.collect::<PyResult<Vec<_>>>()?)
}

fn one<'py>(
    make: &Bound<'py, PyAny>,
    class: &Bound<'py, PyType>,
    follower: &FollowerStatus,
) -> PyResult<Bound<'py, PyAny>> {
    let fields = (
        &*follower.node,
        &*follower.copy_id,
        follower.acked_seq,
        follower.lag_ms,
        follower.is_streaming,
    );
    make.call1((class, fields))
}

/// `tuple.__new__`: of a class and all fields.
fn make(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let make = MAKE.get_or_try_init(py, || {
        let tuple = py.get_type::<PyTuple>();
        tuple.getattr(intern!(py, "__new__")).map(Bound::unbind)
    })?;
    Ok(make.bind(py))
}

fn role(py: Python<'_>, role: Role) -> &Bound<'_, PyString> {
    match role {
        Role::Primary => intern!(py, "primary"),
        Role::Follower => intern!(py, "follower"),
        Role::Restoring => intern!(py, "restoring"),
    }
}
