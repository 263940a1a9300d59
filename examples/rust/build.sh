#!/bin/sh
# The program, into target/; its build script makes the stubs. Needs Rust and protoc.
set -eu
cd "$(dirname "$0")"
cargo build --quiet --locked
