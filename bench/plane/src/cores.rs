//! What several threads get done in one service at once, without sockets.
//!
//! Each thread stands on a core of its own and calls `MGet` of 16 random keys, from bytes
//! to bytes, as the transport would. `disjoint`: each thread has its part of the keys. `hot`:
//! all threads read one key. `apart`: each thread has its part in a data plane of its own, so
//! that what the machine gives is known beside what the service makes of it. There are as
//! many keys whatever the number of threads: of more memory less is found in caches. Wall
//! time counts, not CPU time: a thread that waits for another one uses no CPU, and must be
//! seen.

use std::ops::Range;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use prost::Message;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use shoal_protos::v1;
use shoal_server::DataPlane;
use shoal_server::service::{CacheService, Method, Unanswered};

use crate::plane;

const KEYS: u64 = 100_000;
const KEYS_PER_REQUEST: u64 = 16;
const VALUE_BYTES: usize = 1024;
/// Requests are made before the clock starts: the service is measured, not their making.
const REQUESTS: u64 = 8192;

/// Which keys the threads read, and of which data plane.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    Disjoint,
    Hot,
    Apart,
}

/// Prints one JSON line.
pub(crate) fn measure(threads: usize, seconds: f64, keys: &str) -> Result<(), String> {
    let keys = match keys {
        "disjoint" => Keys::Disjoint,
        "hot" => Keys::Hot,
        "apart" => Keys::Apart,
        _ => return Err(format!("{keys} is none of disjoint, hot, apart")),
    };
    let cores = cores()?;
    if threads == 0 || threads > cores.len() {
        let count = cores.len();
        return Err(format!(
            "{threads} threads do not have a core each: take 1 to {count}"
        ));
    }
    let count = if keys == Keys::Apart { threads } else { 1 };
    let planes = (0..count)
        .map(|_| plane::open(1 << 30))
        .collect::<Result<Vec<_>, _>>()?;
    let services: Vec<_> = planes.iter().map(DataPlane::service).collect();
    let part = KEYS / threads as u64;
    for (at, service) in services.iter().enumerate() {
        let keys_in_it = if keys == Keys::Apart { part } else { KEYS };
        let first = at as u64 * keys_in_it;
        fill(service, first..first + keys_in_it)?;
    }
    let (ready, over) = (Barrier::new(threads + 1), AtomicBool::new(false));
    let (done, elapsed, made) = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                let service = &services[thread % services.len()];
                let (ready, over, core) = (&ready, &over, cores[thread]);
                let first = thread as u64 * part;
                let requests = requests(thread as u64, keys, first..first + part);
                scope.spawn(move || worker(service, &requests, core, ready, over))
            })
            .collect();
        ready.wait();
        let (started, made) = (Instant::now(), cpu(ClockId::ProcessCPUTime));
        std::thread::sleep(Duration::from_secs_f64(seconds));
        over.store(true, Ordering::Relaxed);
        let elapsed = started.elapsed();
        let done: Result<Vec<_>, String> = running
            .into_iter()
            .map(|thread| thread.join().map_err(|_| "a thread panicked".to_owned())?)
            .collect();
        (done, elapsed, made)
    });
    let done = done?;
    let operations: u64 = done.iter().map(|(operations, _)| operations).sum();
    let cpu: Duration = done.iter().map(|(_, cpu)| cpu).sum();
    println!(
        "{{\"threads\": {threads}, \"operations\": {operations}, \"seconds\": {:.6}, \
         \"cpu_seconds\": {:.6}, \"made_seconds\": {:.6}}}",
        elapsed.as_secs_f64(),
        cpu.as_secs_f64(),
        made.as_secs_f64()
    );
    Ok(())
}

fn worker(
    service: &CacheService,
    requests: &[Bytes],
    core: usize,
    ready: &Barrier,
    over: &AtomicBool,
) -> Result<(u64, Duration), String> {
    let mut own = CpuSet::new();
    own.set(core);
    let pinned = sched_setaffinity(None, &own);
    let first = call(service, Method::MGet, requests[0].clone());
    // The others wait for this thread too, whatever became of it.
    ready.wait();
    pinned.map_err(|error| format!("core {core}: {error}"))?;
    let answer_bytes = first?.len();
    let before = cpu(ClockId::ThreadCPUTime);
    let mut operations = 0;
    for request in requests.iter().cycle() {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let answer = call(service, Method::MGet, request.clone())?;
        // Lengths of versions differ by a few bytes from key to key.
        if answer.len().abs_diff(answer_bytes) > 16 * KEYS_PER_REQUEST as usize {
            return Err("an answer is not as long as the others: keys were missed".into());
        }
        operations += KEYS_PER_REQUEST;
    }
    Ok((operations, cpu(ClockId::ThreadCPUTime) - before))
}

fn fill(service: &CacheService, keys: Range<u64>) -> Result<(), String> {
    for number in keys {
        let request = v1::SetRequest {
            key: key(number),
            value: vec![7; VALUE_BYTES].into(),
            ..Default::default()
        };
        call(service, Method::Set, request.encode_to_vec().into())?;
    }
    Ok(())
}

/// A request that the service answers at once.
fn call(service: &CacheService, method: Method, request: Bytes) -> Result<Bytes, String> {
    let mut answer = BytesMut::new();
    match service.handle(method, request, None, &mut answer) {
        Ok(()) => Ok(answer.freeze()),
        Err(Unanswered::Failed(failure)) => Err(format!("{failure:?}")),
        Err(Unanswered::Later(_)) => Err("a request of an open partition had to wait".into()),
    }
}

fn requests(thread: u64, keys: Keys, part: Range<u64>) -> Vec<Bytes> {
    let mut state = thread + 1;
    let mut draw = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        match keys {
            Keys::Hot => 0,
            Keys::Disjoint | Keys::Apart => part.start + (state >> 33) % (part.end - part.start),
        }
    };
    let mut request = || {
        v1::MGetRequest {
            keys: (0..KEYS_PER_REQUEST).map(|_| key(draw())).collect(),
            ..Default::default()
        }
        .encode_to_vec()
        .into()
    };
    (0..REQUESTS).map(|_| request()).collect()
}

fn key(number: u64) -> Bytes {
    format!("key:{number:012}").into()
}

fn cores() -> Result<Vec<usize>, String> {
    let allowed = sched_getaffinity(None).map_err(|error| error.to_string())?;
    Ok((0..CpuSet::MAX_CPU)
        .filter(|&core| allowed.is_set(core))
        .collect())
}

fn cpu(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
