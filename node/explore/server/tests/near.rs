//! Grants and invalidations under many schedules.

#[path = "../../schedules.rs"]
mod schedules;

use schedules::explore;
use shoal_server::scenarios::near;

#[test]
fn no_write_is_acknowledged_before_holders_are_told() {
    explore(near::no_write_is_acknowledged_before_holders_are_told);
}

#[test]
fn a_partition_that_goes_leaves_nothing_held() {
    explore(near::a_partition_that_goes_leaves_nothing_held);
}
