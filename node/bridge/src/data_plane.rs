//! The class `DataPlane`: one data plane and the runtime that it runs on.

use std::sync::Mutex;
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyList;
use shoal_server as server;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::errors::{value_error, without_gil};
use crate::replication;
use crate::settings::{self, DataPlaneSettings, DataPlaneTls};
use crate::snapshot;

/// gRPC server and engine of one node. All partitions are closed at first.
#[pyclass(frozen, module = "shoal_node._bridge")]
pub(crate) struct DataPlane {
    plane: server::DataPlane,
    handle: Handle,
    /// Taken by `stop`.
    runtime: Mutex<Option<Runtime>>,
    owns_process: bool,
}

#[pymethods]
impl DataPlane {
    #[new]
    fn new(py: Python<'_>, settings: DataPlaneSettings) -> PyResult<DataPlane> {
        let threads = settings.worker_threads;
        if threads == 0 {
            return Err(value_error("worker_threads is 0: take at least one"));
        }
        without_gil(py, || {
            let slow = settings.slow_request();
            let owns_process = settings.owns_process;
            let settings = settings.into_settings().map_err(value_error)?;
            let plane = server::DataPlane::new(settings).map_err(value_error)?;
            plane.set_slow_threshold(slow);
            let runtime = Builder::new_multi_thread()
                .worker_threads(threads)
                .thread_name("shoal-data")
                .enable_all()
                .build()?;
            let handle = runtime.handle().clone();
            Ok(DataPlane {
                plane,
                handle,
                runtime: Mutex::new(Some(runtime)),
                owns_process,
            })
        })
    }

    fn start(&self, py: Python<'_>) -> PyResult<String> {
        without_gil(py, || {
            self.running()?;
            let bound = self.handle.block_on(self.plane.start())?;
            if self.owns_process {
                let _in_runtime = self.handle.enter();
                self.plane.keep_process_within_maxmemory();
            }
            Ok(bound)
        })
    }

    fn set_lease_deadline(&self, deadline_boottime_ns: u64) {
        self.plane.set_lease_deadline(deadline_boottime_ns);
    }

    #[allow(clippy::type_complexity)] // Plain lists and tuples, as Python has them.
    fn set_access(
        &self,
        py: Python<'_>,
        roles: Vec<(Vec<String>, Vec<Vec<u8>>)>,
        tokens: Vec<([u8; 32], Vec<usize>)>,
        identities: Vec<(String, Vec<usize>)>,
    ) -> PyResult<()> {
        without_gil(py, || {
            let table = server::AccessTable::new(roles, tokens, identities).map_err(value_error)?;
            self.plane.set_access(table);
            Ok(())
        })
    }

    #[pyo3(signature = (token))]
    fn set_peer_token(&self, token: Option<&str>) -> PyResult<()> {
        self.plane.set_peer_token(token).map_err(value_error)
    }

    fn install_topology(&self, py: Python<'_>, topology: &[u8]) -> PyResult<()> {
        without_gil(py, || {
            // Dropping a peer's connection wakes its task.
            let _runtime = self.handle.enter();
            self.plane
                .install_topology(topology)
                .map(|_| ())
                .map_err(value_error)
        })
    }

    fn open_partition(
        &self,
        py: Python<'_>,
        partition: u32,
        epoch: u64,
        copy_id: &str,
    ) -> PyResult<()> {
        without_gil(py, || {
            self.plane
                .open_partition(partition, epoch, copy_id)
                .map_err(value_error)
        })
    }

    fn follow_partition(
        &self,
        py: Python<'_>,
        partition: u32,
        primary: &str,
        address: &str,
        epoch: u64,
        copy_id: &str,
    ) -> PyResult<()> {
        without_gil(py, || {
            self.running()?;
            // Whom it follows, it follows in a task.
            let _runtime = self.handle.enter();
            self.plane
                .follow_partition(partition, primary, address, epoch, copy_id)
                .map_err(value_error)
        })
    }

    fn promote_partition(&self, py: Python<'_>, partition: u32, epoch: u64) -> PyResult<()> {
        without_gil(py, || {
            self.running()?;
            // Where it cannot be, it is followed again.
            let _runtime = self.handle.enter();
            self.plane
                .promote_partition(partition, epoch)
                .map_err(value_error)
        })
    }

    fn require_copies(
        &self,
        py: Python<'_>,
        partition: u32,
        copies: Vec<(String, String)>,
        in_sync_count: u32,
    ) -> PyResult<u64> {
        without_gil(py, || {
            self.plane
                .require_copies(partition, &copies, in_sync_count)
                .map_err(value_error)
        })
    }

    fn drain_partitions(
        &self,
        py: Python<'_>,
        partitions: Vec<(u32, String)>,
        timeout_ms: u64,
    ) -> PyResult<Vec<bool>> {
        without_gil(py, || {
            self.running()?;
            let timeout = Duration::from_millis(timeout_ms);
            self.handle
                .block_on(self.plane.drain_partitions(&partitions, timeout))
                .map_err(value_error)
        })
    }

    #[pyo3(signature = (partitions = None))]
    fn replication<'py>(
        &self,
        py: Python<'py>,
        partitions: Option<Vec<u32>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let told = without_gil(py, || {
            Ok(match partitions {
                None => self.plane.replication(),
                Some(asked) => self.plane.replication_of(&asked),
            })
        })?;
        replication::told(py, &told)
    }

    fn replication_news(&self) -> u64 {
        self.plane.replication_news()
    }

    fn take_replication_changed(&self) -> Vec<u32> {
        self.plane.take_replication_changed()
    }

    fn replication_bell(&self) -> PyResult<i32> {
        Ok(self.plane.replication_bell()?)
    }

    fn set_min_in_sync(&self, copies: u32) -> PyResult<()> {
        if copies == 0 {
            return Err(value_error("min_in_sync is 0: take at least one copy"));
        }
        self.plane.set_min_in_sync(copies);
        Ok(())
    }

    fn set_snapshot_rate(&self, bytes_per_second: u64) {
        self.plane.set_snapshot_rate(bytes_per_second);
    }

    fn freeze_partition(&self, py: Python<'_>, partition: u32) -> PyResult<()> {
        without_gil(py, || {
            self.plane.freeze_partition(partition).map_err(value_error)
        })
    }

    fn thaw_partition(&self, py: Python<'_>, partition: u32) -> PyResult<()> {
        without_gil(py, || {
            self.plane.thaw_partition(partition).map_err(value_error)
        })
    }

    fn close_partition(&self, py: Python<'_>, partition: u32) -> PyResult<()> {
        without_gil(py, || {
            self.plane.close_partition(partition).map_err(value_error)
        })
    }

    fn set_ready(&self, py: Python<'_>, ready: bool) -> PyResult<()> {
        without_gil(py, || {
            self.handle.block_on(self.plane.set_ready(ready));
            Ok(())
        })
    }

    fn set_eviction(&self, py: Python<'_>, eviction: &str) -> PyResult<()> {
        let eviction = settings::eviction(eviction).map_err(value_error)?;
        without_gil(py, || {
            self.running()?;
            // What takes long goes on in a task.
            let _runtime = self.handle.enter();
            self.plane.set_eviction(eviction);
            Ok(())
        })
    }

    fn set_tls(&self, py: Python<'_>, tls: DataPlaneTls) -> PyResult<()> {
        without_gil(py, || self.plane.set_tls(&tls.into()).map_err(value_error))
    }

    #[pyo3(signature = (*, partitions = true))]
    fn snapshot<'py>(&self, py: Python<'py>, partitions: bool) -> PyResult<Bound<'py, PyAny>> {
        let mut snapshot = without_gil(py, || Ok(self.plane.snapshot()))?;
        if !partitions {
            snapshot.partitions.clear();
        }
        snapshot::told(py, snapshot)
    }

    fn stop(&self, py: Python<'_>, grace_ms: u64) -> PyResult<()> {
        without_gil(py, || {
            let runtime = self.lock().take();
            let Some(runtime) = runtime else {
                return Ok(());
            };
            runtime.block_on(self.plane.stop(Duration::from_millis(grace_ms)));
            runtime.shutdown_timeout(Duration::from_secs(1));
            Ok(())
        })
    }
}

impl DataPlane {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Runtime>> {
        self.runtime
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn running(&self) -> PyResult<()> {
        if self.lock().is_some() {
            return Ok(());
        }
        Err(PyRuntimeError::new_err(
            "the data plane was stopped: make a new one",
        ))
    }
}

impl Drop for DataPlane {
    fn drop(&mut self) {
        // Python may drop this anywhere: nothing is waited for.
        if let Some(runtime) = self.lock().take() {
            runtime.shutdown_background();
        }
    }
}
