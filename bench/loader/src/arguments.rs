//! What the load shall be. Pure.

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoken {
    /// gRPC over HTTP/2, `shoal.v1.Cache`.
    Shoal,
    /// RESP2: Redis and Valkey.
    Resp,
    /// The text protocol of memcached.
    Memcached,
}

/// What is done with each key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Read a key that is there.
    Get,
    /// Store a value of the size asked for.
    Set,
}

/// How the keys of one request travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One key a request: `Get`, `GET`, `get`.
    Single,
    /// `batch` keys in one command: `MGet`, `MGET`, `get a b c`.
    Many,
    /// `batch` operations that are sent together and awaited together: a message of
    /// `Execute`, or a pipeline.
    Batch,
}

/// The flags, each `--name value`.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub(crate) address: String,
    pub(crate) spoken: Spoken,
    pub(crate) verb: Verb,
    pub(crate) shape: Shape,
    /// Keys in one request.
    pub(crate) batch: usize,
    pub(crate) connections: usize,
    /// Requests in flight on each connection.
    pub(crate) streams: usize,
    /// Keys are drawn from so many, ...
    pub(crate) keys: u64,
    /// ... numbered from here.
    pub(crate) first_key: u64,
    /// Length of a key: `key:` and decimal digits.
    pub(crate) key_bytes: usize,
    pub(crate) value_bytes: usize,
    /// 0: none.
    pub(crate) ttl_ms: u64,
    /// Time of the machine's boot clock at which all keys expire; 0: `ttl_ms` counts.
    pub(crate) expire_at_ms: u64,
    pub(crate) seed: u64,
    /// Each key once and in order, then stop; otherwise at random for `seconds`.
    pub(crate) is_fill: bool,
    pub(crate) warm_up_seconds: f64,
    pub(crate) seconds: f64,
    /// Go on past `seconds` until so many keys were answered, at most five times as long:
    /// on a busy machine a short run holds too few to divide by.
    pub(crate) operations_min: u64,
    /// Requests a second, evenly spaced; 0: as fast as answers come.
    pub(crate) rate: u64,
    /// Latencies are told apart by slices of this length; 0: all together.
    pub(crate) slice_ms: u64,
    /// Whose CPU time is read; 0: nobody's.
    pub(crate) server_pid: i32,
    /// The core to run on; none: where the scheduler likes.
    pub(crate) core: Option<usize>,
}

impl Default for Arguments {
    fn default() -> Self {
        Self {
            address: String::new(),
            spoken: Spoken::Shoal,
            verb: Verb::Get,
            shape: Shape::Single,
            batch: 1,
            connections: 4,
            streams: 32,
            keys: 100_000,
            first_key: 0,
            key_bytes: 16,
            value_bytes: 1024,
            ttl_ms: 0,
            expire_at_ms: 0,
            seed: 1,
            is_fill: false,
            warm_up_seconds: 0.3,
            seconds: 2.0,
            operations_min: 0,
            rate: 0,
            slice_ms: 0,
            server_pid: 0,
            core: None,
        }
    }
}

impl Arguments {
    /// Reads flags; what they mean stands in `docs/benchmarks.md`.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut parsed = Self::default();
        while let Some(flag) = words.next() {
            if flag == "--fill" {
                parsed.is_fill = true;
                continue;
            }
            let value = words.next().ok_or(format!("{flag} needs a value"))?;
            parsed.take(&flag, value)?;
        }
        parsed.check()?;
        Ok(parsed)
    }

    fn take(&mut self, flag: &str, value: String) -> Result<(), String> {
        match flag {
            "--address" => self.address = value,
            "--protocol" => self.spoken = spoken(&value)?,
            "--operation" => self.verb = verb(&value)?,
            "--shape" => self.shape = shape(&value)?,
            "--batch" => self.batch = number(flag, &value)?,
            "--connections" => self.connections = number(flag, &value)?,
            "--streams" => self.streams = number(flag, &value)?,
            "--keys" => self.keys = number(flag, &value)?,
            "--first-key" => self.first_key = number(flag, &value)?,
            "--key-bytes" => self.key_bytes = number(flag, &value)?,
            "--value-bytes" => self.value_bytes = number(flag, &value)?,
            "--ttl-ms" => self.ttl_ms = number(flag, &value)?,
            "--expire-at-ms" => self.expire_at_ms = number(flag, &value)?,
            "--seed" => self.seed = number(flag, &value)?,
            "--warm-up-seconds" => self.warm_up_seconds = number(flag, &value)?,
            "--seconds" => self.seconds = number(flag, &value)?,
            "--operations-min" => self.operations_min = number(flag, &value)?,
            "--rate" => self.rate = number(flag, &value)?,
            "--slice-ms" => self.slice_ms = number(flag, &value)?,
            "--server-pid" => self.server_pid = number(flag, &value)?,
            "--core" => self.core = Some(number(flag, &value)?),
            _ => return Err(format!("{flag} is not a flag of this program")),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        let refuse = |sentence: &str| Err(sentence.to_owned());
        if self.address.is_empty() {
            return refuse("--address HOST:PORT is missing");
        }
        if self.connections == 0 || self.streams == 0 || self.batch == 0 || self.keys == 0 {
            return refuse("--connections, --streams, --batch and --keys are at least 1");
        }
        if self.shape == Shape::Single && self.batch != 1 {
            return refuse("--batch needs --shape many or --shape batch");
        }
        if !(5..=64).contains(&self.key_bytes) {
            return refuse("--key-bytes is between 5 and 64");
        }
        let digits = self.key_bytes - 4;
        let last = self.first_key.saturating_add(self.keys - 1);
        if digits < 19 && last >= 10_u64.pow(digits as u32) {
            return refuse("--key-bytes is too short for so many keys");
        }
        if self.value_bytes < self.key_bytes {
            return refuse("--value-bytes is at least --key-bytes: a value begins with its key");
        }
        if self.is_fill && self.rate > 0 {
            return refuse("--fill goes as fast as it can: leave out --rate");
        }
        Ok(())
    }
}

fn spoken(name: &str) -> Result<Spoken, String> {
    match name {
        "shoal" => Ok(Spoken::Shoal),
        "resp" => Ok(Spoken::Resp),
        "memcached" => Ok(Spoken::Memcached),
        _ => Err(format!(
            "--protocol {name} is none of shoal, resp, memcached"
        )),
    }
}

fn verb(name: &str) -> Result<Verb, String> {
    match name {
        "get" => Ok(Verb::Get),
        "set" => Ok(Verb::Set),
        _ => Err(format!("--operation {name} is none of get, set")),
    }
}

fn shape(name: &str) -> Result<Shape, String> {
    match name {
        "single" => Ok(Shape::Single),
        "many" => Ok(Shape::Many),
        "batch" => Ok(Shape::Batch),
        _ => Err(format!("--shape {name} is none of single, many, batch")),
    }
}

fn number<T: std::str::FromStr>(flag: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{flag} {value} is not a number"))
}

#[cfg(test)]
mod tests {
    use super::{Arguments, Shape, Spoken, Verb};

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_are_read() {
        let parsed =
            parse("--address a:1 --protocol resp --operation set --shape batch --batch 16 --fill");
        let parsed = parsed.unwrap();
        assert_eq!(parsed.spoken, Spoken::Resp);
        assert_eq!(parsed.verb, Verb::Set);
        assert_eq!((parsed.shape, parsed.batch), (Shape::Batch, 16));
        assert!(parsed.is_fill);
        assert_eq!(parsed.value_bytes, 1024);
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_sentence() {
        for (line, about) in [
            ("--operation get", "--address"),
            ("--address a:1 --what 1", "--what"),
            ("--address a:1 --keys x", "--keys"),
            ("--address a:1 --protocol http", "--protocol"),
            ("--address a:1 --batch 2", "--shape"),
            ("--address a:1 --key-bytes 5 --keys 11", "--key-bytes"),
            ("--address a:1 --value-bytes 8", "--value-bytes"),
            ("--address a:1 --fill --rate 5", "--rate"),
            ("--address", "needs a value"),
        ] {
            let sentence = parse(line).unwrap_err();
            assert!(sentence.contains(about), "{line}: {sentence}");
        }
    }
}
