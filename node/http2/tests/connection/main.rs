//! The state machine, from bytes to bytes.

mod floods;
mod flow;
mod leaving;
mod peer;
mod random;
mod rules;
mod splits;
