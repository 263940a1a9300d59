//! Replays a trace as a cache-aside caller: a read, and a write where it missed.
//!
//! Prints one line of JSON for each replay. The order of the requests is exact: nothing is
//! asked before the last request was answered and its write, if any, was sent.

mod arguments;
mod engine;
mod node;
mod outcome;
mod redis;
mod slot;
mod trace;

use arguments::{Arguments, Target};

fn main() {
    if let Err(sentence) = Arguments::parse(std::env::args().skip(1)).and_then(|it| run(&it)) {
        eprintln!("shoal-replayer: {sentence}");
        std::process::exit(1);
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let trace = trace::read(&arguments.trace)?;
    match &arguments.target {
        Target::Engines(caches) => {
            for &cache in caches {
                println!("{}", engine::replay(&trace, cache).to_json());
            }
        }
        Target::Redis(socket, budgets) => {
            let told = |why| format!("redis at {}: {why}", socket.display());
            let mut server = redis::Redis::connect(socket, &trace).map_err(told)?;
            for &budget_bytes in budgets {
                let outcome = server.replay(&trace, budget_bytes).map_err(told)?;
                println!("{}", outcome.to_json());
            }
        }
        Target::Node(address) => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|why| why.to_string())?;
            let replayed = runtime.block_on(node::replay(&trace, address));
            println!("{}", replayed.map_err(|why| why.to_string())?.to_json());
        }
    }
    Ok(())
}
