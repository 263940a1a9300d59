//! Runs single inputs, without a fuzzer: `replay TARGET FILE...`. `replay` alone lists
//! the targets.

use std::process::ExitCode;

use shoal_fuzz::{Target, named};

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let Some(name) = words.next() else {
        for target in Target::ALL {
            println!("{}", target.name);
        }
        return ExitCode::SUCCESS;
    };
    let Some(target) = named(&name) else {
        eprintln!("there is no target {name}");
        return ExitCode::FAILURE;
    };
    for file in words {
        match std::fs::read(&file) {
            Ok(input) => (target.run)(&input),
            Err(error) => {
                eprintln!("{file}: {error}");
                return ExitCode::FAILURE;
            }
        }
        println!("{file}: nothing is wrong");
    }
    ExitCode::SUCCESS
}
