//! One target under libFuzzer: `SHOAL_FUZZ_TARGET=NAME fuzz [options] [corpus ...]`.
//! `make fuzz` builds it with what makes it see which branches an input reaches.
#![no_main]

use std::sync::OnceLock;

use shoal_fuzz::{Target, named};

static CHOSEN: OnceLock<Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let chosen = CHOSEN.get_or_init(|| {
        let name = std::env::var("SHOAL_FUZZ_TARGET").unwrap_or_default();
        named(&name).unwrap_or_else(|| panic!("SHOAL_FUZZ_TARGET names no target: {name:?}"))
    });
    (chosen.run)(input);
});
