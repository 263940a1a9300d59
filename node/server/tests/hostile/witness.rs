//! A client that behaves: writes and reads all the time, each with a deadline.

use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use shoal_protos::v1;
use tonic::{Request, Status};

use crate::attacker::DEADLINE;
use crate::process::Server;
use crate::support::{self, Client, get};

/// Its key; no test freezes this one's partition.
pub(crate) const KEY: &str = "witness";

/// Every request is answered within this time, on a loaded machine.
const ANSWER: Duration = Duration::from_secs(5);

/// The pace; an attack gets the rest of the machine.
const PACE: Duration = Duration::from_millis(2);

#[derive(Debug, Default)]
struct Seen {
    rounds: u64,
    slowest: Duration,
    failure: Option<String>,
    is_over: bool,
}

type Shared = Arc<(Mutex<Seen>, Condvar)>;

pub(crate) struct Witness {
    seen: Shared,
    thread: Option<JoinHandle<()>>,
}

impl Witness {
    pub(crate) fn start(server: &Server) -> Witness {
        let seen = Shared::default();
        let (shared, address) = (seen.clone(), server.address.to_string());
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(work(&shared, &address));
        });
        Witness {
            seen,
            thread: Some(thread),
        }
    }

    /// It is served a few times from now on, and was never refused.
    pub(crate) fn is_served(&self) {
        let end = Instant::now() + DEADLINE;
        let mut seen = self.seen.0.lock().unwrap();
        let enough = seen.rounds + 4;
        while seen.rounds < enough {
            assert_eq!(seen.failure, None, "the client that behaves was not served");
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the client that behaves was not served");
            seen = self.seen.1.wait_timeout(seen, left).unwrap().0;
        }
    }

    /// Rounds so far, and how long the slowest took.
    pub(crate) fn seen(&self) -> (u64, Duration) {
        let seen = self.seen.0.lock().unwrap();
        (seen.rounds, seen.slowest)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        if let Ok(mut seen) = self.seen.0.lock() {
            seen.is_over = true;
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn work(seen: &Shared, address: &str) {
    let mut client = support::client(address).await;
    for round in 0_u64.. {
        let start = Instant::now();
        let outcome = tokio::time::timeout(2 * ANSWER, once(&mut client, round)).await;
        let failure = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(status)) => Some(format!("round {round}: {status:?}")),
            Err(_) => Some(format!("round {round}: no answer at all")),
        };
        if note(seen, round, start.elapsed(), failure) {
            return;
        }
        tokio::time::sleep(PACE).await;
    }
}

/// Returns whether that was the last round.
fn note(seen: &Shared, round: u64, took: Duration, failure: Option<String>) -> bool {
    let mut now = seen.0.lock().unwrap();
    now.rounds = round + 1;
    now.slowest = now.slowest.max(took);
    if failure.is_some() {
        now.failure = failure;
    }
    seen.1.notify_all();
    now.is_over || now.failure.is_some()
}

async fn once(client: &mut Client, round: u64) -> Result<(), Status> {
    let key = Bytes::from_static(KEY.as_bytes());
    let value = Bytes::from(vec![round.to_le_bytes()[0]; 1000]);
    let mut set = Request::new(v1::SetRequest {
        key: key.clone(),
        value: value.clone(),
        ..Default::default()
    });
    set.set_timeout(ANSWER);
    client.set(set).await?;
    let mut get = Request::new(get(&key));
    get.set_timeout(ANSWER);
    let read = client.get(get).await?.into_inner().value;
    if read == value {
        Ok(())
    } else {
        Err(Status::data_loss("another value was read"))
    }
}
