//! Fence, ownership, topology and permits under many schedules.

#[path = "../../schedules.rs"]
mod schedules;

use schedules::explore;
use shoal_server::scenarios;

#[test]
fn nobody_is_inside_a_frozen_partition() {
    explore(scenarios::nobody_is_inside_a_frozen_partition);
}

#[test]
fn no_success_past_the_fence() {
    explore(scenarios::no_success_past_the_fence);
}

#[test]
fn no_success_for_a_partition_that_went() {
    explore(scenarios::no_success_for_a_partition_that_went);
}

#[test]
fn no_success_in_a_batch_past_fence_or_partition() {
    explore(scenarios::no_success_in_a_batch_past_fence_or_partition);
}

#[test]
fn who_waits_is_woken_by_a_thaw() {
    explore(scenarios::who_waits_is_woken_by_a_thaw);
}

#[test]
fn who_waits_is_woken_by_a_close() {
    explore(scenarios::who_waits_is_woken_by_a_close);
}

#[test]
fn an_older_topology_never_replaces_a_newer_one() {
    explore(scenarios::an_older_topology_never_replaces_a_newer_one);
}

#[test]
fn permits_are_bounded() {
    explore(scenarios::permits_are_bounded);
}
