"""A picture is right: bars are where they were, points inside their bars and in order, marks where it fails."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.checker import picture
from dynamo.checker.picture import Bar, Judged, Step, draw_key, moments, starts_s
from dynamo.checker.verdict import Order, Search, Verdict
from tests.unit.checker.stale_read import REASON, fine, stale_read
from tests.unit.checker.story import op


def test_bars_of_a_key():
    """Times count from the first call; what has no end has none; the version is a column of its own."""
    key = draw_key(stale_read(), 100.0)
    assert key.lanes == ["A", "B", "C"]
    assert key.bars[1] == Bar(2, "C", 2.0, None, "unknown", "write", "put new: outcome unknown", None, 2)
    assert (key.bars[2].called, key.bars[2].returned, key.bars[2].version) == (3.0, 4.0, 2)
    assert (key.verdict, key.method) == ("illegal", "intervals of unique values")


def test_a_counterexample_comes_first_and_names_its_culprits():
    """Then all operations; a legal key has only these."""
    first, everything = draw_key(stale_read(), 100.0).views
    assert (first.name, first.reason, first.bars, first.culprits) == ("counterexample", REASON, [0, 1, 2, 3], [2, 3])
    assert (everything.name, everything.bars) == ("all operations", None)
    assert [view.name for view in draw_key(fine(3), 100.0).views] == ["all operations"]


def test_the_line_goes_through_the_longest_order_with_the_states():
    """And ends where the next operation was tried, inside its bar, after the last point."""
    view = draw_key(stale_read(), 100.0).views[0]
    assert [(step.bar, step.state) for step in view.orders[0]] == [(0, "old"), (1, "new"), (2, "new")]
    (trial, other) = view.trials
    assert (trial.bar, trial.order, trial.why, trial.stuck) == (3, 0, "get -> old, but there was new", True)
    assert 5.0 <= trial.at <= 6.0
    assert (other.order, other.why) == (1, "it fits into no order")


def test_other_operations_that_did_not_fit_are_marked_as_such():
    """Only the one that had to come next is stuck."""
    ops = [op(1, "put", 0, 1, written="x"), op(2, "get", 2, 3, seen="y"), op(3, "get", 2, 9, seen="z")]
    search = Search([Order((1,), ("x",), {2: "not y", 3: "not z"})], stuck=2)
    (view,) = draw_key(Judged(ops, Verdict("illegal", "search", "b/k", "", (2,), 3, search)), 0.0).views
    assert [(trial.bar, trial.stuck, trial.why) for trial in view.trials] == [(1, True, "not y"), (2, False, "not z")]


def test_a_history_without_a_clock_is_drawn_by_its_order():
    """Then its places are its seconds."""
    ops = [op(1, "put", 4, 7, written="x"), op(2, "get", 5, 9, seen="x")]
    judged = Judged(ops, Verdict("legal", "search", "b/k"))
    assert starts_s([judged]) == 4
    assert [(bar.called, bar.returned) for bar in draw_key(judged, 4).bars] == [(0, 3), (1, 5)]


def test_the_first_call_of_all_keys_is_where_time_begins():
    """Without any operation it begins at nought."""
    assert starts_s([fine(2), stale_read()]) == 100.0
    assert starts_s([]) == 0.0


def bar(called: float, returned: float | None) -> Bar:
    return Bar(0, "c", called, returned, "ok", "read", "get", None, 1)


def test_points_of_one_stretch_of_time_are_spread_out():
    """Three reads at the same time are three different moments, as far apart as there is room."""
    assert moments([bar(0, 4), bar(0, 4), bar(0, 4)], 9) == pytest.approx([1, 2, 3])


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 9), st.integers(0, 9), st.booleans()), max_size=8))
def test_points_lie_in_their_bars_and_in_order(drawn):
    """Whatever the bars are like around moments at which the operations took effect."""
    drawn.sort(key=lambda each: each[0])
    bars = [bar(at - before, None if is_open else at + after) for at, before, after, is_open in drawn]
    points = moments(bars, 40.0)
    assert points == sorted(points)
    for point, each in zip(points, bars, strict=True):
        assert each.called <= point <= (inf if each.returned is None else each.returned)


def test_of_too_many_operations_those_around_the_failure_are_drawn(monkeypatch):
    """What the verdict names is drawn wherever it is; the places of the line still count from the beginning."""
    monkeypatch.setattr(picture, "BARS_MAX", 10)
    judged = fine(100)
    judged.verdict.operations = (2, 90)
    key = draw_key(judged, 100.0)
    assert [bar.number for bar in key.bars] == [2, *range(85, 95)]
    (view,) = key.views
    assert (view.name, view.left_out) == ("of 100 operations", [1])
    assert [step.state for step in view.orders[0]] == [f"v{bar.number}" for bar in key.bars]


def test_steps_are_plain_data():
    """An order without states is drawn without them."""
    ops = [op(1, "put", 0, 1, written="x")]
    (view,) = draw_key(Judged(ops, Verdict("legal", "search", "b/k", search=Search([Order((1,))]))), 0.0).views
    assert view.orders == [[Step(0, 0.5, "")]]
