//! Compiles what a node serves into Rust, and its descriptors for reflection.
//!
//! `protox` parses the files, so that nobody needs a `protoc`. The coordinator's
//! files are left out: a node must not list services that it does not serve.

use std::path::PathBuf;
use std::{env, error::Error, fs};

use prost::Message;

const FILES: [&str; 2] = ["shoal/v1/cache.proto", "shoal/v1/topology.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo::rerun-if-changed={file}");
    }
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".")
        .build_server(false)
        .compile_fds(descriptors)?;
    Ok(())
}
