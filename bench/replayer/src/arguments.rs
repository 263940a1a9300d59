//! What to replay, and against what.

use std::path::PathBuf;

use shoal_engine::Eviction;

use crate::engine::Cache;

/// The cache that is asked.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// Engines in this process, one after the other.
    Engines(Vec<Cache>),
    /// A Redis server, by its unix socket, with each of these budgets in turn.
    Redis(PathBuf, Vec<usize>),
    /// A node, by its address.
    Node(String),
}

/// The flags, each `--name value`.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub(crate) trace: PathBuf,
    pub(crate) target: Target,
}

impl Arguments {
    /// `--trace FILE`, and one of: `--redis SOCKET` with any number of `--budget BYTES`;
    /// `--node ADDRESS`; any number of `--engine POLICY:PARTITIONS:BUDGET_BYTES`.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut trace = None;
        let mut engines = Vec::new();
        let mut budgets = Vec::new();
        let (mut redis, mut node) = (None, None);
        while let Some(flag) = words.next() {
            let value = words.next().ok_or(format!("{flag} needs a value"))?;
            match flag.as_str() {
                "--trace" => trace = Some(value.into()),
                "--engine" => engines.push(cache(&value)?),
                "--redis" => redis = Some(value.into()),
                "--budget" => budgets.push(
                    value
                        .parse()
                        .map_err(|_| format!("--budget {value} is not a number of bytes"))?,
                ),
                "--node" => node = Some(value),
                _ => return Err(format!("{flag} is not a flag of this program")),
            }
        }
        Ok(Self {
            trace: trace.ok_or("--trace FILE is missing")?,
            target: match (redis, node) {
                (Some(socket), _) => Target::Redis(socket, budgets),
                (None, Some(address)) => Target::Node(address),
                (None, None) => Target::Engines(engines),
            },
        })
    }
}

fn cache(word: &str) -> Result<Cache, String> {
    let parts: Vec<&str> = word.split(':').collect();
    let wrong = || format!("--engine {word} is not POLICY:PARTITIONS:BUDGET_BYTES");
    let &[policy, partitions, budget_bytes] = &parts[..] else {
        return Err(wrong());
    };
    let eviction = match policy {
        "s3fifo" => Eviction::S3Fifo,
        "lru" => Eviction::Lru,
        "lfu" => Eviction::Lfu,
        "none" => Eviction::None,
        _ => return Err(format!("{policy} is none of s3fifo, lru, lfu, none")),
    };
    Ok(Cache {
        eviction,
        partitions: partitions.parse().map_err(|_| wrong())?,
        budget_bytes: budget_bytes.parse().map_err(|_| wrong())?,
    })
}
