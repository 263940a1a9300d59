//! What a run did, as one line of JSON.

use std::time::Duration;

use crate::histogram::Histogram;

/// What was answered within the window that was measured.
pub(crate) struct Report {
    /// Keys read or written.
    pub(crate) operations: u64,
    pub(crate) requests: u64,
    pub(crate) elapsed: Duration,
    pub(crate) server_cpu: Duration,
    pub(crate) loader_cpu: Duration,
    pub(crate) latencies: Histogram,
    /// Paced requests that found no free stream when they were due.
    pub(crate) late: u64,
    /// The boot clock at the start of the first slice.
    pub(crate) slices_from_ms: u64,
    pub(crate) slices: Vec<Histogram>,
}

impl Report {
    pub(crate) fn to_json(&self) -> String {
        let latency = |share| self.latencies.quantile_us(share);
        let slices: Vec<_> = self.slices.iter().map(Histogram::to_json).collect();
        format!(
            "{{\"operations\": {}, \"requests\": {}, \"seconds\": {:.6}, \
             \"server_cpu_seconds\": {:.9}, \"loader_cpu_seconds\": {:.9}, \
             \"p50_us\": {}, \"p99_us\": {}, \"p999_us\": {}, \"max_us\": {}, \"late\": {}, \
             \"slices_from_ms\": {}, \"slices\": [{}]}}",
            self.operations,
            self.requests,
            self.elapsed.as_secs_f64(),
            self.server_cpu.as_secs_f64(),
            self.loader_cpu.as_secs_f64(),
            latency(0.5),
            latency(0.99),
            latency(0.999),
            self.latencies.max_us(),
            self.late,
            self.slices_from_ms,
            slices.join(", "),
        )
    }
}
