"""The mutants: what is replaced by what, and which exploration must fail.

Each is a mistake that somebody could make: a check before a step instead of behind it,
two steps where one was, a lock held a little less. A mutant that no longer applies is
an error, so that this list keeps up with the code.
"""

from __future__ import annotations

from dataclasses import dataclass

ENGINE = "shoal-engine-explored"
REPLICATION = "shoal-replication-explored"
SERVER = "shoal-server-explored"
THREADS = "shoal-threads-explored"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mistake."""

    name: str
    package: str
    test: str
    """The exploration that must fail."""
    file: str
    old: str
    """Stands exactly once in the file."""
    new: str


MUTANTS = (
    Mutant(
        "a charge is checked, then made",
        ENGINE,
        "memory_stays_within_its_bound",
        "node/engine/src/memory.rs",
        """        self.used_bytes
            .fetch_update(Relaxed, Relaxed, |used| {
                used.checked_add(bytes).filter(|&sum| sum <= max_bytes)
            })
            .is_ok()""",
        """        let fits = self.used_bytes.load(Relaxed) + bytes <= max_bytes;
        if fits {
            self.used_bytes.fetch_add(bytes, Relaxed);
        }
        fits""",
    ),
    Mutant(
        "a search shares its steps with others",
        ENGINE,
        "who_is_below_its_share_is_served",
        "node/engine/src/fairness.rs",
        "let at = first.wrapping_add(looked_at) % count;",
        "let at = self.hand.fetch_add(1, Relaxed) % count;",
    ),
    Mutant(
        "the own lock is held while another is taken",
        ENGINE,
        "two_that_want_each_others_memory_come_to_an_end",
        "node/engine/src/engine.rs",
        "            if !search.find(why, bytes, now) {",
        """            let held = place.state.lock();
            let is_found = search.find(why, bytes, now);
            drop(held);
            if !is_found {""",
    ),
    Mutant(
        "a closed partition's memory is not given back",
        ENGINE,
        "a_close_leaves_nothing_behind",
        "node/engine/src/engine.rs",
        "        drop(closed);\n",
        "        std::mem::forget(closed);\n",
    ),
    Mutant(
        "a request looks first and enters then",
        SERVER,
        "nobody_is_inside_a_frozen_partition",
        "node/server/src/ownership.rs",
        """        inside.fetch_add(1, Ordering::SeqCst);
        let state = place.state.load(Ordering::SeqCst);""",
        """        let state = place.state.load(Ordering::SeqCst);
        inside.fetch_add(1, Ordering::SeqCst);""",
    ),
    Mutant(
        "freezing does not wait for who is inside",
        SERVER,
        "nobody_is_inside_a_frozen_partition",
        "node/server/src/ownership.rs",
        "while inside.of(partition).load(Ordering::SeqCst) != 0 {",
        "while inside.of(partition).load(Ordering::SeqCst) > 5 {",
    ),
    Mutant(
        "freezing waits for its own thread's requests alone",
        SERVER,
        "nobody_is_inside_a_frozen_partition",
        "node/server/src/ownership.rs",
        "for inside in &self.inside {",
        "for inside in [self.own_inside()] {",
    ),
    Mutant(
        "a guard forgets its epoch",
        SERVER,
        "no_success_for_a_partition_that_went",
        "node/server/src/ownership.rs",
        "            && self.place.epoch.load(Ordering::SeqCst) == self.epoch",
        "            && self.epoch != 0",
    ),
    Mutant(
        "a thaw wakes before it lets in",
        SERVER,
        "who_waits_is_woken_by_a_thaw",
        "node/server/src/ownership.rs",
        """        place.state.fetch_and(!(FROZEN | SEALED), Ordering::SeqCst);
        place.changed.notify_waiters();""",
        """        place.changed.notify_waiters();
        place.state.fetch_and(!(FROZEN | SEALED), Ordering::SeqCst);""",
    ),
    Mutant(
        "what was evaluated is not checked for the fence",
        SERVER,
        "no_success_past_the_fence",
        "node/server/src/visit.rs",
        "if self.node.moment().fenced || !guard.holds() {",
        "if !guard.holds() {",
    ),
    Mutant(
        "what was evaluated is not checked for the partition",
        SERVER,
        "no_success_for_a_partition_that_went",
        "node/server/src/visit.rs",
        "if self.node.moment().fenced || !guard.holds() {",
        "if self.node.moment().fenced {",
    ),
    Mutant(
        "a batch is not checked for the fence",
        SERVER,
        "no_success_in_a_batch_past_fence_or_partition",
        "node/server/src/visit.rs",
        "let holds = !is_fenced && stay.guard.holds();",
        "let holds = stay.guard.holds();",
    ),
    Mutant(
        "a batch is not checked for its partitions",
        SERVER,
        "no_success_in_a_batch_past_fence_or_partition",
        "node/server/src/visit.rs",
        "let holds = !is_fenced && stay.guard.holds();",
        "let holds = !is_fenced;",
    ),
    Mutant(
        "two revisions are installed at once",
        SERVER,
        "an_older_topology_never_replaces_a_newer_one",
        "node/server/src/topology.rs",
        """        let mut last = self.installing.lock();
        if topology.revision <= last.revision {
            return Ok(false);
        }
""",
        """        if topology.revision <= self.installing.lock().revision {
            return Ok(false);
        }
        let mut last = self.installing.lock();
""",
    ),
    Mutant(
        "a permit is counted after the look",
        SERVER,
        "permits_are_bounded",
        "node/server/src/routing.rs",
        "(taken.fetch_add(1, Ordering::Relaxed) < max).then_some(permit)",
        "let had_place = taken.load(Ordering::Relaxed) < max;\n"
        "        taken.fetch_add(1, Ordering::Relaxed);\n"
        "        had_place.then_some(permit)",
    ),
    Mutant(
        "a stream is woken before it is told why",
        REPLICATION,
        "who_writes_in_sync_is_answered_once_the_copy_has_it",
        "node/replication/src/stream.rs",
        """        self.news[partition as usize / 64].fetch_or(1 << (partition % 64), AcqRel);
        self.wake();""",
        """        self.wake();
        self.news[partition as usize / 64].fetch_or(1 << (partition % 64), AcqRel);""",
    ),
    Mutant(
        "a write that begins hides nothing from readers",
        REPLICATION,
        "who_reads_is_shown_what_the_copy_has",
        "node/replication/src/hub/reserve.rs",
        """            served.pending.begin(key_hash);
            place.reguard(served);""",
        "            served.pending.begin(key_hash);",
    ),
    Mutant(
        "who waits is not told that the partition went",
        REPLICATION,
        "who_waits_is_told_that_the_partition_went",
        "node/replication/src/hub/place.rs",
        "            served.waiters.take_all(woken);\n",
        "            served.waiters.take_all(&mut Vec::new());\n",
    ),
    Mutant(
        "news are counted before the bell is set",
        REPLICATION,
        "who_waits_for_news_hears_of_all_of_it",
        "node/replication/src/hub/news.rs",
        """        self.news.has_rung.swap(false, AcqRel);
        self.news.count.load(Acquire)
""",
        """        let count = self.news.count.load(Acquire);
        self.news.has_rung.swap(false, AcqRel);
        count
""",
    ),
    Mutant(
        "a delete leaves the fill token good",
        ENGINE,
        "a_delete_voids_the_token_and_the_next_in_line_loads",
        "node/engine/src/operations/delete.rs",
        "        self.value_went(key, now);\n",
        "",
    ),
    Mutant(
        "who leaves keeps what it was just given",
        ENGINE,
        "who_leaves_takes_no_turn_with_it",
        "node/engine/src/fills/parting.rs",
        "if leases.get(key).is_some_and(|it| it.is_kept_for(number)) {",
        "if leases.get(key).is_some_and(|it| it.is_kept_for(number)) && waited {",
    ),
    Mutant(
        "a value that came wakes nobody",
        ENGINE,
        "one_loads_and_everyone_is_woken",
        "node/engine/src/fills/leases.rs",
        "parted.woken.lists.push(waiters);",
        "drop(waiters);",
    ),
    Mutant(
        "a write looks for grants first and writes then",
        SERVER,
        "no_write_is_acknowledged_before_holders_are_told",
        "node/server/src/node.rs",
        """        let answer = evaluate(moment.now).map_err(|refused| self.fault(refused))?;
        let wrote = wrote(&answer);
        if wrote != Wrote::Nothing {
            hub.written(partition);
            self.invalidate(partition, guard.epoch(), key, wrote);
        }
""",
        """        self.invalidate(partition, guard.epoch(), key, Wrote::Seq(0));
        let answer = evaluate(moment.now).map_err(|refused| self.fault(refused))?;
        let wrote = wrote(&answer);
        if wrote != Wrote::Nothing {
            hub.written(partition);
        }
""",
    ),
    Mutant(
        "a grant is taken out first and told of then",
        SERVER,
        "no_write_is_acknowledged_before_holders_are_told",
        "node/server/src/near/grants.rs",
        """        tell();
        self.left(place, grants.len(), 1);
        true
""",
        """        self.left(place, grants.len(), 1);
        drop(noted);
        tell();
        true
""",
    ),
    Mutant(
        "a writer does not wait for readers",
        THREADS,
        "readers_are_in_beside_each_other_and_never_beside_a_writer",
        "node/threads/src/lock.rs",
        "        self.seats.wait_for_readers(self.number);\n",
        "",
    ),
    Mutant(
        "readers are waited for, and more let in then",
        THREADS,
        "readers_are_in_beside_each_other_and_never_beside_a_writer",
        "node/threads/src/lock.rs",
        """        self.crowd.store(QUIET, SeqCst);
        self.seats.wait_for_readers(self.number);
""",
        """        self.seats.wait_for_readers(self.number);
        self.crowd.store(QUIET, SeqCst);
""",
    ),
    Mutant(
        "a reader on a seat does not look again",
        THREADS,
        "readers_are_in_beside_each_other_and_never_beside_a_writer",
        "node/threads/src/lock.rs",
        "if self.crowd.load(SeqCst) != CROWDED {",
        "if false {",
    ),
    Mutant(
        "a seat that was not taken is set free",
        THREADS,
        "readers_are_in_beside_each_other_and_never_beside_a_writer",
        "node/threads/src/seats.rs",
        "taken.is_ok().then(|| Sitting { seat, lock })",
        "taken.is_ok().then_some(Sitting { seat, lock })",
    ),
)
