//! Uses a Shoal cluster through nothing but generated stubs: it knows no partitions, and any
//! node serves it.
//!
//!     target/debug/shoal-example HOST:PORT [HOST:PORT...]

mod refusal;

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::time::sleep;
use tonic::transport::{Channel, Endpoint};

use refusal::Refusal;
use shoal::cache_client::CacheClient;
use shoal::{Fill, GetRequest, IncrRequest, MGetRequest, MSetRequest, SetRequest, Status};

/// The generated stubs.
mod shoal {
    #![allow(clippy::all)]
    tonic::include_proto!("shoal.v1");
}

const TIMEOUT: Duration = Duration::from_secs(10);
/// Enough that most of them are owned by other nodes.
const KEYS_FOR_ONE_NODE: usize = 32;
/// As large as a value may be, and together more than one answer holds.
const LARGE_VALUES: usize = 8;
const LARGE_VALUE_BYTES: usize = 1 << 20;
/// What a node of much memory may answer; clients take 4 MiB unless told.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// More than a node lets one partition have at a time.
const LOADS_MAX: usize = 100_000;

type Said = Result<String, Box<dyn Error>>;

#[tokio::main]
async fn main() -> ExitCode {
    let addresses: Vec<String> = std::env::args().skip(1).collect();
    if addresses.is_empty() {
        eprintln!("usage: shoal-example HOST:PORT [HOST:PORT...]");
        return ExitCode::from(2);
    }
    match run(addresses).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("shoal-example: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(addresses: Vec<String>) -> Result<(), Box<dyn Error>> {
    let basics = Basics::connect(addresses)?;
    say("set, get", basics.set_and_get().await)?;
    say("incr", basics.increment().await)?;
    say("mget", basics.get_many().await)?;
    say("any node", basics.ask_any_node().await)?;
    say("large", basics.get_large_values().await)?;
    say("fill", basics.fill().await)?;
    say("error", basics.read_an_error().await)?;
    say("retry", basics.obey_a_bound().await)?;
    Ok(())
}

fn say(step: &str, said: Said) -> Result<(), Box<dyn Error>> {
    let said = said.map_err(|failure| format!("{step}: {failure}"))?;
    println!("{:<9} {said}", format!("{step}:"));
    Ok(())
}

/// A connection to each node, opened when it is first used.
struct Basics {
    addresses: Vec<String>,
    nodes: Vec<CacheClient<Channel>>,
    /// Makes this run's keys its own.
    prefix: String,
}

fn client(address: &str) -> Result<CacheClient<Channel>, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?.timeout(TIMEOUT);
    Ok(CacheClient::new(endpoint.connect_lazy()).max_decoding_message_size(ANSWER_BYTES_MAX))
}

fn expect(holds: bool, what: &str, got: impl std::fmt::Debug) -> Result<(), Box<dyn Error>> {
    if holds {
        return Ok(());
    }
    Err(format!("expected {what}, got {got:?}").into())
}

impl Basics {
    fn connect(addresses: Vec<String>) -> Result<Basics, Box<dyn Error>> {
        let nodes = addresses.iter().map(|address| client(address));
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        Ok(Basics {
            nodes: nodes.collect::<Result<_, _>>()?,
            prefix: format!("rust:{}:", now.as_nanos()),
            addresses,
        })
    }

    /// A client is a handle on its connection, cheap to clone, and calls take it mutably.
    fn first(&self) -> CacheClient<Channel> {
        self.nodes[0].clone()
    }

    fn key(&self, name: &str) -> Vec<u8> {
        format!("{}{name}", self.prefix).into_bytes()
    }

    fn to_set(&self, name: &str, value: &str) -> SetRequest {
        SetRequest {
            key: self.key(name),
            value: value.into(),
            ..SetRequest::default()
        }
    }

    fn to_get(&self, name: &str) -> GetRequest {
        GetRequest {
            key: self.key(name),
            ..GetRequest::default()
        }
    }

    async fn set_and_get(&self) -> Said {
        let mut node = self.first();
        let request = SetRequest {
            ttl_ms: 600_000,
            ..self.to_set("product:42", "a kettle")
        };
        let stored = node.set(request).await?.into_inner();
        let found = node.get(self.to_get("product:42")).await?.into_inner();
        let is_found = found.status() == Status::Hit && found.value == b"a kettle";
        expect(is_found, "the value that was set", &found)?;
        // A miss is an answer, not an error.
        let missed = node.get(self.to_get("product:43")).await?.into_inner();
        expect(missed.status() == Status::Miss, "a miss", &missed)?;
        let version = stored.version.unwrap_or_default();
        Ok(format!(
            "{} {:?}, version {}.{}; a key that is not there is a {}",
            found.status().as_str_name(),
            String::from_utf8_lossy(&found.value),
            version.epoch,
            version.seq,
            missed.status().as_str_name(),
        ))
    }

    async fn increment(&self) -> Said {
        // The id makes it safe to send this again after an answer that was lost: it counts once.
        let order = IncrRequest {
            key: self.key("stock:42"),
            delta: Some(-1),
            initial: 100,
            request_id: self.key("order:1"),
            ..IncrRequest::default()
        };
        for _ in 0..2 {
            let left = self.first().incr(order.clone()).await?.into_inner().value;
            expect(left == 99, "99", left)?;
        }
        Ok("99 left of 100, though the order was sent twice".into())
    }

    async fn get_many(&self) -> Said {
        let two = MSetRequest {
            entries: vec![self.to_set("a", "1"), self.to_set("c", "3")],
            ..MSetRequest::default()
        };
        for result in self.first().m_set(two).await?.into_inner().results {
            expect(result.error.is_none(), "no error", result)?;
        }
        let three = MGetRequest {
            keys: ["a", "b", "c"].map(|name| self.key(name)).into(),
            ..MGetRequest::default()
        };
        let found = self.first().m_get(three).await?.into_inner().entries;
        let told: Vec<String> = found
            .iter()
            .map(|entry| {
                let value = String::from_utf8_lossy(&entry.value);
                format!("{} {value:?}", entry.status().as_str_name())
            })
            .collect();
        let said = told.join(", ");
        expect(
            said == r#"HIT "1", MISS "", HIT "3""#,
            "two of three",
            &said,
        )?;
        Ok(said + ", in the order asked")
    }

    /// Writes through one node alone, whoever owns the keys, and reads through every node.
    async fn ask_any_node(&self) -> Said {
        let names: Vec<String> = (0..KEYS_FOR_ONE_NODE)
            .map(|at| format!("any:{at}"))
            .collect();
        for name in &names {
            self.first().set(self.to_set(name, name)).await?;
        }
        for node in &self.nodes {
            for name in &names {
                let found = node.clone().get(self.to_get(name)).await?.into_inner();
                expect(found.value == name.as_bytes(), name, found)?;
            }
        }
        Ok(format!(
            "{} keys written through {}, read through each of {} nodes",
            names.len(),
            self.addresses[0],
            self.nodes.len(),
        ))
    }

    /// Asks again for what one answer had no room for.
    async fn get_large_values(&self) -> Said {
        let value = "v".repeat(LARGE_VALUE_BYTES);
        let mut missing: Vec<String> = (0..LARGE_VALUES).map(|at| format!("large:{at}")).collect();
        for name in &missing {
            self.first().set(self.to_set(name, &value)).await?;
        }
        let mut answers = 0;
        while !missing.is_empty() {
            let request = MGetRequest {
                keys: missing.iter().map(|name| self.key(name)).collect(),
                ..MGetRequest::default()
            };
            let found = self.first().m_get(request).await?.into_inner().entries;
            answers += 1;
            let mut again = Vec::new();
            for (name, entry) in missing.iter().zip(found) {
                let error = entry.error.unwrap_or_default();
                if error.reason == "BATCH_TOO_LARGE" {
                    again.push(name.clone());
                } else {
                    expect(entry.value == value.as_bytes(), name, error)?;
                }
            }
            expect(
                again.len() < missing.len(),
                "an answer that brings something",
                &again,
            )?;
            missing = again;
        }
        Ok(format!(
            "{LARGE_VALUES} values of 1 MiB came in {answers} answers"
        ))
    }

    /// Of all who miss a key at once one loads it, and the others wait for that.
    async fn fill(&self) -> Said {
        let ask = GetRequest {
            fill: Some(Fill {
                lease_ms: 5_000,
                wait_ms: 5_000,
                // Fields to come break nobody who writes so.
                ..Fill::default()
            }),
            ..self.to_get("viral")
        };
        let first = self.first().get(ask.clone()).await?.into_inner();
        let is_given = first.status() == Status::Miss && !first.fill_token.is_empty();
        expect(is_given, "a miss with a token", &first)?;
        let mut another = self.nodes[self.nodes.len() - 1].clone();
        let second = tokio::spawn(async move {
            let started = Instant::now();
            let answer = another.get(ask).await;
            (answer, started.elapsed())
        });
        let value = load_from_the_database().await;
        expect(
            !second.is_finished(),
            "the second caller to wait",
            "its answer before the load",
        )?;
        let loaded = SetRequest {
            ttl_ms: 60_000,
            fill_token: first.fill_token,
            ..self.to_set("viral", value)
        };
        self.first().set(loaded).await?;
        let (answer, waited) = second.await?;
        let found = answer?.into_inner();
        let is_loaded = found.status() == Status::Hit && found.value == value.as_bytes();
        expect(is_loaded, "the loaded value", &found)?;
        Ok(format!(
            "the first caller loaded; the second waited {} ms and got {} {value:?}",
            waited.as_millis(),
            found.status().as_str_name(),
        ))
    }

    async fn read_an_error(&self) -> Said {
        self.first().set(self.to_set("text", "twelve")).await?;
        let request = IncrRequest {
            key: self.key("text"),
            ..IncrRequest::default()
        };
        match self.first().incr(request).await {
            Ok(answer) => Err(format!("expected NOT_AN_INTEGER, got {answer:?}").into()),
            Err(status) => {
                let told = Refusal::from(&status);
                let is_right = told.reason == "NOT_AN_INTEGER" && told.may_be_repeated();
                expect(is_right, "NOT_AN_INTEGER", status)?;
                Ok(told.to_string())
            }
        }
    }

    /// Begins loads and ends none, until the node says that it is enough, waits for as long as
    /// the node says, and tries again. All keys have one hash tag, so one partition has them.
    async fn obey_a_bound(&self) -> Said {
        let load = async |node: &CacheClient<Channel>, number: usize| {
            let request = GetRequest {
                key: format!("{{{}loads}}:{number}", self.prefix).into_bytes(),
                fill: Some(Fill {
                    lease_ms: 60_000,
                    wait_ms: 0,
                    ..Fill::default()
                }),
                ..GetRequest::default()
            };
            node.clone().get(request).await
        };
        let greedy = client(&self.addresses[0])?;
        let mut begun = 0;
        let refused = loop {
            match load(&greedy, begun).await {
                Ok(_) if begun < LOADS_MAX => begun += 1,
                Ok(_) => return Err(format!("nothing was refused of {begun} loads").into()),
                Err(status) => break status,
            }
        };
        // The end of a connection gives back the tokens that were given over it.
        drop(greedy);
        let told = Refusal::from(&refused);
        let reason = "TOO_MANY_REQUESTS";
        let (true, true, Some(mut delay)) = (
            told.reason == reason,
            told.may_be_repeated(),
            told.retry_after,
        ) else {
            return Err(format!("expected {reason} with RetryInfo, got {refused:?}").into());
        };
        let deadline = Instant::now() + TIMEOUT;
        while Instant::now() < deadline {
            sleep(delay).await;
            let Err(status) = load(&self.nodes[0], begun).await else {
                return Ok(format!(
                    "{begun} loads at a time, then {told}; and that was right"
                ));
            };
            let again = Refusal::from(&status);
            expect(again.reason == reason, reason, status)?;
            delay = again.retry_after.unwrap_or(delay);
        }
        Err("10 s after the connection has ended its loads still count".into())
    }
}

/// Stands for a query that takes its time.
async fn load_from_the_database() -> &'static str {
    sleep(Duration::from_millis(200)).await;
    "loaded once"
}
