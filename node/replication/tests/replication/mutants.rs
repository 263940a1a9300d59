//! Each rule, taken away, is missed: by the story that is about it, and some by the
//! random runs as well.

use shoal_replication::mutants::{Mutant, set};

use crate::scenarios::{self, Outcome};
use crate::simulated::run;

/// What becomes of it without the rule.
fn without(rule: Mutant, story: impl Fn() -> Outcome) -> Outcome {
    set(Some(rule));
    let outcome = story();
    set(None);
    outcome
}

#[test]
fn every_rule_is_missed_by_its_story() {
    let stories: [(Mutant, fn() -> Outcome); 6] = [
        (Mutant::AckByAny, scenarios::one_copy_is_not_all),
        (
            Mutant::CountNodes,
            scenarios::a_restarted_node_is_another_copy,
        ),
        (
            Mutant::NoEpochCheckOnAck,
            scenarios::an_old_acknowledgement_says_nothing,
        ),
        (
            Mutant::ObeyOldEpochs,
            scenarios::a_deposed_primary_is_not_obeyed,
        ),
        (
            Mutant::SnapshotCutBroken,
            scenarios::a_snapshot_and_what_was_written_meanwhile_are_one,
        ),
        (
            Mutant::ReadBeforeCommit,
            scenarios::what_is_not_committed_is_not_shown,
        ),
    ];
    for (rule, story) in stories {
        assert_eq!(story(), Ok(()), "with every rule");
        let missed = without(rule, story);
        assert!(missed.is_err(), "{rule:?} is not missed");
    }
}

#[test]
fn random_runs_miss_them_too() {
    for rule in [
        Mutant::AckByAny,
        Mutant::CountNodes,
        Mutant::SnapshotCutBroken,
        Mutant::ReadBeforeCommit,
        Mutant::RequiredBeginsAnewUnderItsId,
    ] {
        let missed = (0..200).any(|seed| without(rule, || run(seed)).is_err());
        assert!(missed, "{rule:?} is not missed in 200 runs");
    }
}

/// Of two rules each is enough: a copy that is required is never told to begin anew, and one
/// that begins anew has another id. The first holds at the primary, which requires whatever
/// its record names or may name; the second also where somebody was told before it was
/// required. So neither is missed alone, and both together are, above.
#[test]
fn of_the_two_rules_about_copies_that_begin_anew_each_covers_the_other() {
    for rule in [Mutant::CopyIdKept, Mutant::RequiredBeginsAnew] {
        for seed in 0..200 {
            let outcome = without(rule, || run(seed));
            assert_eq!(outcome, Ok(()), "{rule:?}, seed {seed}");
        }
    }
}
