//! What the load shall be.

/// One operation of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// `Get` of a key that is there.
    Get,
    /// `Set` with a value of the size asked for.
    Set,
    /// `MGet` of `batch` keys.
    MGet,
}

/// The flags, each `--name value`.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub(crate) address: String,
    pub(crate) operation: Operation,
    pub(crate) connections: usize,
    pub(crate) streams: usize,
    pub(crate) keys: u64,
    pub(crate) value_bytes: usize,
    pub(crate) batch: usize,
    pub(crate) seconds: f64,
}

impl Arguments {
    /// Reads flags, each with a default that stands in `bench/README.md`.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut parsed = Self {
            address: String::new(),
            operation: Operation::Get,
            connections: 4,
            streams: 32,
            keys: 100_000,
            value_bytes: 1024,
            batch: 100,
            seconds: 3.0,
        };
        while let Some(flag) = words.next() {
            let value = words.next().ok_or(format!("{flag} needs a value"))?;
            match flag.as_str() {
                "--address" => parsed.address = value,
                "--operation" => parsed.operation = operation(&value)?,
                "--connections" => parsed.connections = number(&flag, &value)?,
                "--streams" => parsed.streams = number(&flag, &value)?,
                "--keys" => parsed.keys = number(&flag, &value)?,
                "--value-bytes" => parsed.value_bytes = number(&flag, &value)?,
                "--batch" => parsed.batch = number(&flag, &value)?,
                "--seconds" => parsed.seconds = number(&flag, &value)?,
                _ => return Err(format!("{flag} is not a flag of this program")),
            }
        }
        if parsed.address.is_empty() {
            return Err("--address HOST:PORT is missing".into());
        }
        Ok(parsed)
    }
}

fn operation(name: &str) -> Result<Operation, String> {
    match name {
        "get" => Ok(Operation::Get),
        "set" => Ok(Operation::Set),
        "mget" => Ok(Operation::MGet),
        _ => Err(format!("--operation {name} is none of get, set, mget")),
    }
}

fn number<T: std::str::FromStr>(flag: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{flag} {value} is not a number"))
}
