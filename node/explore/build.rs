//! Marks what is compiled here as explored: locks and atomics come from shuttle.

fn main() {
    println!("cargo::rustc-cfg=explored");
    println!("cargo::rerun-if-changed=../build.rs");
}
