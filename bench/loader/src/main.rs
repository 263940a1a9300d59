//! Closed-loop load for one node: C connections, S streams in flight on each.
//!
//! Prints one JSON line with what was done. It measures no CPU: the benchmark
//! reads that of the server from outside, so that every server is read alike.
//! Keys are drawn at random from a fixed set, since one hot key flatters.

mod arguments;
mod load;

use arguments::Arguments;

fn main() {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(sentence) => {
            eprintln!("shoal-loader: {sentence}");
            std::process::exit(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime needs no more than a few file descriptors");
    match runtime.block_on(load::run(&arguments)) {
        Ok(done) => println!("{}", done.to_json()),
        Err(error) => {
            eprintln!("shoal-loader: {error}");
            std::process::exit(1);
        }
    }
}
