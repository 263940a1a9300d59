//! A snapshot as Python takes it: the frozen dataclasses of `shoal_node.snapshot`, made by
//! their field names.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use shoal_server::{
    BigKeysTold, HandshakesTold, HotKeysTold, MethodDurations, PartitionStats, SlowRequest,
    SlowTold, Snapshot,
};

/// The classes, looked up once a snapshot.
struct Classes<'py> {
    module: Bound<'py, PyModule>,
}

/// `{"a": a, ...}` of what can be converted.
macro_rules! fields {
    ($py:expr, $from:expr, $($field:ident),* $(,)?) => {{
        let fields = PyDict::new($py);
        $(fields.set_item(stringify!($field), $from.$field)?;)*
        fields
    }};
}

/// A `shoal_node.snapshot.Snapshot`.
pub(crate) fn told(py: Python<'_>, snapshot: Snapshot) -> PyResult<Bound<'_, PyAny>> {
    let classes = Classes {
        module: py.import("shoal_node.snapshot")?,
    };
    let stats = &snapshot.stats;
    let fields = fields!(
        py,
        stats,
        hits,
        misses,
        evicted,
        expired,
        memory_full,
        forwarded,
        moved,
        connections,
        entries,
        memory_bytes,
        maxmemory_bytes,
        open_partitions,
        lease_remaining_ms,
    );
    fields.set_item("requests", mapping(py, &stats.requests)?)?;
    fields.set_item("failures", mapping(py, &stats.failures)?)?;
    fields.set_item("memory", mapping(py, &snapshot.memory)?)?;
    fields.set_item("replication", mapping(py, &snapshot.replication)?)?;
    fields.set_item("fills", mapping(py, &snapshot.fills)?)?;
    fields.set_item("near", mapping(py, &snapshot.near)?)?;
    let tls = PyDict::new(py);
    for (side, handshakes) in &snapshot.tls {
        tls.set_item(side, classes.handshakes(py, handshakes)?)?;
    }
    fields.set_item("tls", tls)?;
    fields.set_item("eviction", snapshot.eviction)?;
    fields.set_item("switching_partitions", snapshot.switching_partitions)?;
    let operations = PyDict::new(py);
    for (operation, outcome, count) in &snapshot.operations {
        operations.set_item((operation, outcome), count)?;
    }
    fields.set_item("operations", operations)?;
    let durations = PyDict::new(py);
    for method in &snapshot.durations {
        durations.set_item(method.method, classes.durations(py, method)?)?;
    }
    fields.set_item("durations", durations)?;
    let partitions = snapshot.partitions.iter();
    let partitions = partitions.map(|it| classes.partition(py, it));
    fields.set_item("partitions", tuple(py, partitions)?)?;
    fields.set_item("slow", classes.slow(py, &snapshot.slow)?)?;
    fields.set_item("hottest", classes.hottest(py, &snapshot.hot)?)?;
    fields.set_item("biggest", classes.biggest(py, &snapshot.big)?)?;
    classes.make("Snapshot", &fields)
}

impl<'py> Classes<'py> {
    fn make(&self, class: &str, fields: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
        self.module.getattr(class)?.call((), Some(fields))
    }

    fn handshakes(&self, py: Python<'py>, told: &HandshakesTold) -> PyResult<Bound<'py, PyAny>> {
        let fields = fields!(py, told, done, failed);
        fields.set_item("last_failure", &told.last_failure)?;
        self.make("Handshakes", &fields)
    }

    fn durations(&self, py: Python<'py>, method: &MethodDurations) -> PyResult<Bound<'py, PyAny>> {
        let fields = fields!(py, method, count, sum_ns, p50_ns, p99_ns, p999_ns, max_ns);
        fields.set_item("buckets", PyTuple::new(py, &method.buckets)?)?;
        self.make("Durations", &fields)
    }

    fn partition(
        &self,
        py: Python<'py>,
        partition: &PartitionStats,
    ) -> PyResult<Bound<'py, PyAny>> {
        let fields = fields!(
            py,
            partition,
            partition,
            epoch,
            entries,
            memory_bytes,
            hits,
            misses,
            evicted,
            expired,
            memory_full,
            is_switching,
        );
        self.make("PartitionUse", &fields)
    }

    fn slow(&self, py: Python<'py>, slow: &SlowTold) -> PyResult<Bound<'py, PyAny>> {
        let requests = slow.requests.iter();
        let requests = requests.map(|it| self.slow_request(py, it));
        let fields = fields!(py, slow, threshold_ns, total);
        fields.set_item("requests", tuple(py, requests)?)?;
        self.make("SlowLog", &fields)
    }

    fn slow_request(&self, py: Python<'py>, request: &SlowRequest) -> PyResult<Bound<'py, PyAny>> {
        let fields = fields!(
            py,
            request,
            number,
            unix_ms,
            method,
            duration_ns,
            partition,
            keys,
            key_bytes,
            key_hash,
        );
        fields.set_item("key", PyBytes::new(py, &request.key))?;
        self.make("SlowRequest", &fields)
    }

    fn hottest(&self, py: Python<'py>, hot: &HotKeysTold) -> PyResult<Bound<'py, PyAny>> {
        let keys = hot.keys.iter().map(|key| {
            let fields = fields!(py, key, partition, per_second, error_per_second, reads_part);
            fields.set_item("key", PyBytes::new(py, &key.key))?;
            self.make("HotKey", &fields)
        });
        let fields = fields!(py, hot, sampled_one_in, half_life_ms);
        fields.set_item("keys", tuple(py, keys)?)?;
        self.make("Hottest", &fields)
    }

    fn biggest(&self, py: Python<'py>, big: &BigKeysTold) -> PyResult<Bound<'py, PyAny>> {
        let keys = big.keys.iter().map(|key| {
            let fields = fields!(py, key, partition, bytes);
            fields.set_item("key", PyBytes::new(py, &key.key))?;
            self.make("BigKey", &fields)
        });
        let fields = fields!(py, big, complete_above_bytes);
        fields.set_item("keys", tuple(py, keys)?)?;
        self.make("Biggest", &fields)
    }
}

fn mapping<'py>(py: Python<'py>, counts: &[(&'static str, u64)]) -> PyResult<Bound<'py, PyDict>> {
    let mapping = PyDict::new(py);
    for (name, count) in counts {
        mapping.set_item(name, count)?;
    }
    Ok(mapping)
}

fn tuple<'py>(
    py: Python<'py>,
    items: impl Iterator<Item = PyResult<Bound<'py, PyAny>>>,
) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, items.collect::<PyResult<Vec<_>>>()?)
}
