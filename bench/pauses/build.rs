//! Marks what is compiled here as timed: locks tell how long they were held.

fn main() {
    println!("cargo::rustc-cfg=timed");
    println!("cargo::rerun-if-changed=build.rs");
}
