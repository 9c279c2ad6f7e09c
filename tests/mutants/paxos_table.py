"""Table 1.10 of the research note, row by row: the classic bugs of per-key Paxos, and the tests that must notice each.

A row is named by its number there. HARD runs simulated seeds until one fails; the others are stories and unit tests of
the very rule. Row 14 (joint phase, rescan, epoch check) is about changes of membership, which are not made yet; what
stands in its place is the check of the topology's epoch in each message.
"""

from __future__ import annotations

from tests.mutants import paxos
from tests.mutants.mutant import Mutant
from tests.unit.consensus import broken

STORIES = "tests/simulation/test_registers.py::"
SEEDS = "tests/simulation/test_register_seeds.py::"
HARD = f"{SEEDS}test_hard_seeds_break_no_promise"
ATTEMPTS = "tests/unit/consensus/test_attempts.py::"
OLD_ATTEMPTS = "tests/simulation/test_attempts.py::"
ACCEPTOR = "tests/unit/consensus/test_acceptor.py::"
FORGETTING = "tests/unit/consensus/test_forgetting.py::"
TALLY = "tests/unit/consensus/test_tally.py::"

PAXOS: tuple[Mutant, ...] = (
    Mutant(
        "paxos-1",
        "an accept ignores the promise",
        broken.accept_ignores_promise,
        (f"{STORIES}test_a_promise_is_kept", HARD),
    ),
    Mutant(
        "paxos-2",
        "an accept is acknowledged before it is on disk",
        paxos.accepts_are_answered_too_soon,
        (f"{STORIES}test_what_is_acknowledged_is_on_disk", HARD),
    ),
    Mutant(
        "paxos-3",
        "a promise is given before it is on disk",
        paxos.promises_are_answered_too_soon,
        (f"{STORIES}test_a_promise_survives_a_crash",),
    ),
    Mutant(
        "paxos-4",
        "a ballot is used again after an accept in doubt",
        paxos.a_ballot_in_doubt_stays,
        (HARD,),
    ),
    Mutant(
        "paxos-5",
        "ballots do not say which run of a node made them",
        paxos.ballots_do_not_count_starts,
        (f"{STORIES}test_no_two_lives_of_a_node_make_one_ballot",),
    ),
    Mutant(
        "paxos-6",
        "ballots do not say which node made them",
        paxos.ballots_do_not_name_their_node,
        (f"{STORIES}test_no_two_nodes_make_one_ballot",),
    ),
    Mutant(
        "paxos-7",
        "a read shows the newest without replaying it",
        broken.read_without_replay,
        (HARD,),
    ),
    Mutant(
        "paxos-8",
        "a failed condition or a read settles nothing",
        broken.failed_condition_not_settled,
        (HARD,),
    ),
    Mutant(
        "paxos-8-lead",
        "a failed condition or a read is answered from the lead",
        broken.answered_from_the_lead,
        (HARD,),
    ),
    Mutant(
        "paxos-9",
        "a time-out is reported as a failure",
        broken.timeout_is_failure,
        (f"{STORIES}test_what_nobody_acknowledged_is_not_called_a_failure", HARD),
    ),
    Mutant(
        "paxos-9-prepare",
        "what was sent is forgotten by the next attempt",
        broken.doubt_forgotten_by_prepare,
        (HARD,),
    ),
    Mutant(
        "paxos-10",
        "an accept that comes again promises nothing",
        broken.duplicate_accept_without_promise,
        (f"{STORIES}test_an_accept_that_comes_again_promises_what_it_asks_for",),
    ),
    Mutant(
        "paxos-11",
        "a replica that lost its disk votes",
        paxos.an_empty_disk_votes,
        (f"{STORIES}test_an_empty_disk_does_not_vote",),
    ),
    Mutant(
        "paxos-12",
        "a majority forgets a deletion",
        paxos.a_majority_forgets,
        (f"{FORGETTING}test_a_majority_is_not_enough", f"{SEEDS}test_what_is_forgotten_does_not_come_back"),
    ),
    Mutant(
        "paxos-13",
        "what was promised for forgotten keys is forgotten",
        broken.no_floor,
        (
            f"{ACCEPTOR}test_an_absent_key_accepts_nothing_at_or_below_the_floor",
            f"{FORGETTING}test_what_comes_late_is_refused_by_who_has_forgotten",
        ),
    ),
    Mutant(
        "paxos-14",
        "messages of another topology are taken",
        paxos.topologies_are_not_compared,
        ("tests/unit/node/test_node.py::test_another_topology_is_answered_with_ours",),
    ),
    Mutant(
        "paxos-15-old",
        "an answer to an earlier attempt is counted",
        broken.older_reply_counts,
        ("tests/unit/consensus/test_proposer.py::test_a_reply_to_an_earlier_ballot_does_not_count",),
    ),
    Mutant(
        "paxos-15-twice",
        "an answer that comes twice is counted twice",
        broken.duplicate_reply_counts_twice,
        (f"{TALLY}test_a_group_is_of_distinct_replicas_that_know_the_same_stores", HARD),
    ),
    Mutant(
        "paxos-16",
        "majorities are of those that are alive",
        paxos.majorities_of_the_living,
        (f"{STORIES}test_a_minority_decides_nothing_and_the_majority_goes_on",),
    ),
    Mutant(
        "paxos-16-one",
        "one replica is enough",
        broken.quorum_of_one,
        (HARD,),
    ),
    Mutant(
        "paxos-17",
        "a repeated request is a new one",
        broken.repeats_not_recognised,
        (f"{STORIES}test_a_request_that_is_repeated_elsewhere_is_applied_once", HARD),
    ),
    Mutant(
        "paxos-17-last",
        "what an older attempt may follow is forgotten like all else",
        paxos.attempts_do_not_last,
        (
            f"{ATTEMPTS}test_a_client_that_repeats_says_so",
            f"{OLD_ATTEMPTS}test_an_old_attempt_does_not_bring_back_what_was_replaced",
            f"{OLD_ATTEMPTS}test_what_was_called_off_stays_so",
        ),
    ),
    Mutant(
        "paxos-17-cut",
        "a request whose entry was dropped never came",
        paxos.what_was_cut_is_not_known,
        (f"{ATTEMPTS}test_a_request_takes_effect_once",),
    ),
    Mutant(
        "paxos-17-birth",
        "an entry is older than its request",
        paxos.births_are_not_carried_along,
        (f"{ATTEMPTS}test_an_entry_is_not_older_than_its_request",),
    ),
    Mutant(
        "paxos-18",
        "a change is evaluated anew for each replica",
        paxos.each_replica_gets_a_value_of_its_own,
        (HARD,),
    ),
    Mutant(
        "paxos-19",
        "an accept that waits for the disk is shown",
        paxos.what_waits_for_the_disk_is_shown,
        (f"{STORIES}test_only_what_is_on_disk_is_shown",),
    ),
    Mutant(
        "paxos-20",
        "a damaged state reads as nothing",
        paxos.a_damaged_state_reads_as_nothing,
        (f"{STORIES}test_damage_is_no_nothing",),
    ),
    Mutant(
        "paxos-records",
        "weaker reads see what was accepted and not chosen",
        paxos.what_is_accepted_is_shown_as_chosen,
        (HARD,),
    ),
)
