//! Compiles what a node serves into Rust, and its descriptors for reflection.
//!
//! `protox` parses the files, so that nobody needs a `protoc`. The coordinator's
//! files are left out: a node must not list services that it does not serve. What
//! nodes say to each other stands apart: it has a server stub, and is not listed.

use std::path::PathBuf;
use std::{env, error::Error, fs};

use prost::Message;

const FILES: [&str; 2] = ["shoal/v1/cache.proto", "shoal/v1/topology.proto"];
const BETWEEN_NODES: [&str; 1] = ["shoal/v1/replication.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES.iter().chain(&BETWEEN_NODES) {
        println!("cargo::rerun-if-changed={file}");
    }
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".")
        .build_server(false)
        .compile_fds(descriptors)?;
    let replication = out.join("replication");
    fs::create_dir_all(&replication)?;
    tonic_prost_build::configure()
        .bytes(".")
        .out_dir(replication)
        .compile_fds(protox::compile(BETWEEN_NODES, ["."])?)?;
    Ok(())
}
