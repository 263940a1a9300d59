//! Writes the seed corpora: `cargo run -p shoal-fuzz --example seeds`. What is there
//! already stays: inputs that once found something are added by hand.

mod http2;
mod messages;
mod replication;

use std::fs;
use std::path::Path;

use http2::{blocks, connections, frames};
use messages::{requests, responses, topologies};

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let corpora = [
        ("connection", connections()),
        ("engine", engines()),
        ("frames", frames()),
        ("framing", framings()),
        ("hpack", blocks()),
        ("replication_batch", named(replication::batches())),
        ("requests", requests()),
        ("responses", responses()),
        ("timeout", timeouts()),
        ("topology", topologies()),
    ];
    for (target, seeds) in corpora {
        let folder = folder.join(target);
        fs::create_dir_all(&folder)?;
        for (name, seed) in seeds {
            fs::write(folder.join(name), seed)?;
        }
    }
    Ok(())
}

type Seeds = Vec<(String, Vec<u8>)>;

fn numbered(seeds: impl IntoIterator<Item = Vec<u8>>) -> Seeds {
    let numbered = seeds.into_iter().enumerate();
    numbered
        .map(|(number, seed)| (format!("{number:02}"), seed))
        .collect()
}

fn named(seeds: impl IntoIterator<Item = (&'static str, Vec<u8>)>) -> Seeds {
    seeds
        .into_iter()
        .map(|(name, seed)| (name.to_owned(), seed))
        .collect()
}

fn engines() -> Seeds {
    let mut lot = 0x9E37_79B9_7F4A_7C15_u64;
    let mut draw = || {
        lot ^= lot << 13;
        lot ^= lot >> 7;
        lot ^= lot << 17;
        (lot >> 24) as u8
    };
    numbered((0..16).map(|number| {
        let mut seed = vec![number % 4, number / 4];
        seed.extend((0..250 + 60 * usize::from(number)).map(|_| draw()));
        seed
    }))
}

fn framings() -> Seeds {
    numbered([
        b"\x10\x02\x03\x01\0\0\0\0\x03abc".to_vec(),
        b"\xff\0\0\0\0\0\0".to_vec(),
        b"\x02\x01\x06\0\0\0\0\x03abc".to_vec(),
        b"\x10\0\x01\0\0\0\x03abc".to_vec(),
        b"\x10\0\0\0\0\0\x03abcd".to_vec(),
        b"\x10\x05\x01\x01\x01\x01\x01\0\0\0\0\x04ab".to_vec(),
    ])
}

fn timeouts() -> Seeds {
    let texts = [
        "250m",
        "99999999H",
        "7u",
        "1S",
        "0n",
        "5M",
        "123456789m",
        "5",
        "m",
        "1.5S",
    ];
    numbered(texts.map(|text| text.as_bytes().to_vec()))
}
