//! Every input of the seed corpora once more, in plain `cargo test`: a regression
//! shows without a fuzzing build.

use std::fs;
use std::path::{Path, PathBuf};

use shoal_fuzz::Target;

fn seeds(target: &Target) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(target.name);
    let listed = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut files: Vec<PathBuf> = listed.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_seed_of_every_target_passes() {
    for target in Target::ALL {
        let files = seeds(target);
        assert!(
            files.len() >= 3,
            "{} has no corpus to speak of",
            target.name
        );
        for file in files {
            // The test's output shows which input it was.
            println!("{} {}", target.name, file.display());
            (target.run)(&fs::read(&file).unwrap());
        }
    }
}

#[test]
fn every_target_takes_what_is_empty_cut_short_or_flipped() {
    for target in Target::ALL {
        (target.run)(&[]);
        for file in seeds(target) {
            let whole = fs::read(&file).unwrap();
            let steps = whole.len().div_ceil(16).max(1);
            for at in (0..whole.len()).step_by(steps) {
                (target.run)(&whole[..at]);
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << (at % 8);
                (target.run)(&flipped);
            }
        }
    }
}
