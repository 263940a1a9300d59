//! The closed loop: every stream sends its next request when the last is answered.

use std::time::{Duration, Instant};

use shoal_protos::v1::cache_client::CacheClient;
use shoal_protos::v1::{GetRequest, MGetRequest, SetRequest, Status};
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};

use crate::arguments::{Arguments, Operation};

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// What one run did. An `MGet` counts once for each key.
pub(crate) struct Done {
    operations: u64,
    misses: u64,
    elapsed: Duration,
    latencies_us: Vec<u32>,
}

impl Done {
    pub(crate) fn to_json(&self) -> String {
        format!(
            "{{\"operations\": {}, \"misses\": {}, \"seconds\": {:.3}, \"p50_us\": {}, \"p99_us\": {}}}",
            self.operations,
            self.misses,
            self.elapsed.as_secs_f64(),
            self.percentile(50),
            self.percentile(99),
        )
    }

    fn percentile(&self, percent: usize) -> u32 {
        let last = self.latencies_us.len().saturating_sub(1);
        self.latencies_us
            .get(last * percent / 100)
            .copied()
            .unwrap_or(0)
    }
}

/// Loads the node for as long as asked; `get` and `mget` expect the keys to be there.
pub(crate) async fn run(arguments: &Arguments) -> Result<Done, Failed> {
    let mut tasks = JoinSet::new();
    let started = Instant::now();
    let until = started + Duration::from_secs_f64(arguments.seconds);
    for connection in 0..arguments.connections {
        let channel = Endpoint::from_shared(format!("http://{}", arguments.address))?
            .tcp_nodelay(true)
            .connect()
            .await?;
        for stream in 0..arguments.streams {
            let seed = (connection * arguments.streams + stream + 1) as u64;
            tasks.spawn(one_stream(channel.clone(), arguments.clone(), seed, until));
        }
    }
    let mut done = Done {
        operations: 0,
        misses: 0,
        elapsed: Duration::ZERO,
        latencies_us: Vec::new(),
    };
    while let Some(finished) = tasks.join_next().await {
        let stream = finished??;
        done.operations += stream.operations;
        done.misses += stream.misses;
        done.latencies_us.extend(stream.latencies_us);
    }
    done.elapsed = started.elapsed();
    done.latencies_us.sort_unstable();
    Ok(done)
}

async fn one_stream(
    channel: Channel,
    arguments: Arguments,
    seed: u64,
    until: Instant,
) -> Result<Done, Failed> {
    let mut client = CacheClient::new(channel);
    let mut keys = Keys {
        state: seed,
        count: arguments.keys,
    };
    let value = vec![b'v'; arguments.value_bytes];
    let mut done = Done {
        operations: 0,
        misses: 0,
        elapsed: Duration::ZERO,
        latencies_us: Vec::new(),
    };
    while Instant::now() < until {
        let asked = Instant::now();
        match arguments.operation {
            Operation::Get => {
                let request = GetRequest {
                    key: keys.draw().into(),
                    ..GetRequest::default()
                };
                let answer = client.get(request).await?.into_inner();
                done.misses += u64::from(answer.status() != Status::Hit);
                done.operations += 1;
            }
            Operation::Set => {
                let request = SetRequest {
                    key: keys.draw().into(),
                    value: value.clone().into(),
                    ..SetRequest::default()
                };
                client.set(request).await?;
                done.operations += 1;
            }
            Operation::MGet => {
                let request = MGetRequest {
                    keys: (0..arguments.batch).map(|_| keys.draw().into()).collect(),
                    ..MGetRequest::default()
                };
                let answer = client.m_get(request).await?.into_inner();
                done.misses += answer
                    .entries
                    .iter()
                    .filter(|entry| entry.status() != Status::Hit)
                    .count() as u64;
                done.operations += arguments.batch as u64;
            }
        }
        done.latencies_us.push(asked.elapsed().as_micros() as u32);
    }
    Ok(done)
}

/// Keys `key:000000000042`, drawn by SplitMix64 (Steele, Lea, Flood 2014).
struct Keys {
    state: u64,
    count: u64,
}

impl Keys {
    fn draw(&mut self) -> Vec<u8> {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        format!("key:{:012}", mixed % self.count).into_bytes()
    }
}
