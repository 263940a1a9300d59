//! What the property tests share: the twin, and the steps that are drawn for it.
#![allow(
    dead_code,
    unused_imports,
    reason = "each test crate uses a part of it"
)]

pub(crate) mod act;
pub(crate) mod feed;
pub(crate) mod group;
pub(crate) mod step;
pub(crate) mod steps;
pub(crate) mod twin;

pub(crate) use step::{Step, Wanted};
pub(crate) use steps::steps;
pub(crate) use twin::{KEY_BYTES_MAX, PARTITIONS, TIGHT_BYTES, Twin, VALUE_BYTES_MAX, settings};
