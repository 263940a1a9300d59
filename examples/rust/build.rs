//! Stubs out of protos/, by the `protoc` that is installed.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    tonic_prost_build::configure()
        .build_server(false)
        .compile_protos(&["../../protos/shoal/v1/cache.proto"], &["../../protos"])?;
    Ok(())
}
