"""A checker that is wrong in one place is caught: by the plain truth, on small histories. Each row breaks one rule."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from math import inf
from random import Random
from unittest.mock import patch

import pytest

from dynamo.checker import models, search, versions, zones
from dynamo.checker.linearizability import check_key
from dynamo.checker.models import Register, Versioned
from dynamo.checker.operation import Op, considered
from tests.unit.checker.oracle import Taste, draw, is_legal

SEEDS = 3000
UNIQUE = Taste()
FEW = Taste(values=2, conditions=("value", "absent"), told=0.5, unknown=0.3)
NUMBERED = Taste(numbers=True, conditions=("value", "absent", "version"))
DELETES = Taste(
    kinds=("get", "get", "put", "cas", "delete"), numbers=True, conditions=("version", "value"), then=("set", "delete")
)
UNTOLD = Taste(conditions=("version", "value"))


def only_forward_zones() -> AbstractContextManager[object]:
    judge = zones._judge
    return patch.object(zones, "_judge", lambda blocks: judge([b for b in blocks if b.first_return < b.last_call]))


def only_backward_zones() -> AbstractContextManager[object]:
    return patch.object(zones, "pairwise", lambda _: ())


def chains_in_any_order() -> AbstractContextManager[object]:
    def block(head: zones.Group, groups: zones.Groups) -> zones.Block:
        ops = list(head.readers) + ([head.writer] if head.writer else [])
        group = head
        while group.replaced_by is not None:
            group = groups[group.replaced_by.written]
            ops += [*group.readers, group.writer]
        first = min(ops, key=lambda op: op.returned, default=None)
        last = max(ops, key=lambda op: op.called, default=None)
        begin = -inf if head.writer is None else first.returned
        return zones.Block(begin, last.called if last else -inf, first if head.writer else None, last)

    return patch.object(zones, "_block", block)


def unseen_writes_stay() -> AbstractContextManager[object]:
    return patch.object(zones, "_is_unseen", lambda _: False)


def unknown_is_failed() -> AbstractContextManager[object]:
    return patch.object(search, "considered", lambda ops: [op for op in considered(ops) if op.outcome == "ok"])


def time_means_nothing() -> AbstractContextManager[object]:
    events = search._events
    return patch.object(search, "_events", lambda ops: sorted(events(ops), key=lambda event: event[1]))


def writes_are_placed_like_reads() -> AbstractContextManager[object]:
    place = search._Searcher.place

    def hasty(self: search._Searcher, op: Op) -> bool:
        self._reads = dict(self.live)
        return place(self, op)

    return patch.object(search._Searcher, "place", hasty)


def the_first_unknown_one_is_enough() -> AbstractContextManager[object]:
    return patch.object(search, "_asked", lambda op: (op.kind,))


def nothing_unknown_is_noticed() -> AbstractContextManager[object]:
    return patch.object(search, "noticed", lambda ops: [op for op in ops if op.outcome == "ok"])


def refusals_mean_nothing() -> AbstractContextManager[object]:
    step = models.step_register

    def forgiving(state: Register, op: Op) -> Register | None:
        return state if op.kind == "cas" and not op.applied else step(state, op)

    return patch.dict(models.MODELS, {"kv": models.MODELS["kv"]._replace(step=forgiving)})


def reads_tell_no_version() -> AbstractContextManager[object]:
    return patch.object(models, "_may_be", lambda *_: True)


def numbers_may_go_back() -> AbstractContextManager[object]:
    return patch.object(versions, "_never_backwards", lambda _: None)


def a_value_may_be_two_versions() -> AbstractContextManager[object]:
    return patch.object(versions, "_once", lambda *_: versions.Once({}, {}))


def refused_versions_are_forgotten() -> AbstractContextManager[object]:
    step = models.step_versioned

    def forgetting(state: Versioned, op: Op) -> Versioned | None:
        after = step(state, op)
        return None if after is None else after._replace(other_than=())

    return patch.object(models, "step_versioned", forgetting)


def numbers_in_any_turn() -> AbstractContextManager[object]:
    return patch.object(models, "bisect_right", lambda made, _: max(0, len(made) - 1))


WRONG: dict[Callable[[], AbstractContextManager[object]], tuple[str, Taste]] = {
    only_forward_zones: ("auto", UNIQUE),
    only_backward_zones: ("auto", Taste(kinds=("get", "get", "put"), clients=6)),
    chains_in_any_order: ("auto", UNIQUE),
    unseen_writes_stay: ("auto", Taste(unknown=0.5)),
    unknown_is_failed: ("search", UNIQUE),
    time_means_nothing: ("search", UNIQUE),
    writes_are_placed_like_reads: ("search", FEW),
    the_first_unknown_one_is_enough: ("search", Taste(values=3, unknown=0.6, conditions=("absent",), told=0.5)),
    nothing_unknown_is_noticed: ("search", UNIQUE),
    refusals_mean_nothing: ("search", FEW),
    reads_tell_no_version: ("search", NUMBERED),
    numbers_may_go_back: ("auto", NUMBERED),
    a_value_may_be_two_versions: ("auto", NUMBERED),
    refused_versions_are_forgotten: ("search", UNTOLD),
    numbers_in_any_turn: ("search", DELETES),
}


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_checker_without_one_of_its_rules_is_caught(wrong):
    """Some small history shows it; and that history is judged rightly with the rule."""
    method, taste = WRONG[wrong]
    for seed in range(SEEDS):
        dice = Random(f"{wrong.__name__}/{seed}")
        ops = draw(dice, dice.randint(2, 8), taste)
        with wrong():
            result = check_key("k", ops, "kv", method=method).result
        truth = is_legal(ops)
        if (result == "legal") != truth:
            assert (check_key("k", ops, "kv", method=method).result == "legal") == truth
            return
    pytest.fail(f"{SEEDS} histories did not tell")
