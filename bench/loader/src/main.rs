//! Load for one server: C connections, S requests in flight on each, from one thread.
//!
//! It speaks gRPC over HTTP/2, RESP and the text protocol of memcached over the same loop,
//! so that servers differ and the loader does not. Everything is written by hand over
//! `epoll`, because a loader that costs more than the server measures itself.
//!
//! Every answer is verified (status, length, the key that stands at the head of its value,
//! and every 64th value in full): the first wrong one ends the run with a sentence. Keys
//! are drawn at random from a fixed set, since one hot key flatters.
//!
//! Prints one JSON line: what was done, how long each request took, and the CPU time that
//! the server's process and this one took meanwhile.

mod arguments;
mod clock;
mod connection;
mod histogram;
mod keys;
mod protocol;
mod report;
mod run;
mod work;

use arguments::Arguments;

fn main() {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(sentence) => {
            eprintln!("shoal-loader: {sentence}");
            std::process::exit(2);
        }
    };
    match run::run(&arguments) {
        Ok(report) => println!("{}", report.to_json()),
        Err(sentence) => {
            eprintln!("shoal-loader: {sentence}");
            std::process::exit(1);
        }
    }
}
