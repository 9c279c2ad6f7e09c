"""The search finds an order if there is one, says how far it came if there is none, and never guesses."""

from random import Random

import pytest

from dynamo.checker import search
from dynamo.checker.models import model_for
from dynamo.checker.search import noticed
from tests.unit.checker import figures
from tests.unit.checker.oracle import Taste, draw
from tests.unit.checker.story import op


def judged(*ops, model="kv", initial=None, budget=100_000):
    """The verdict."""
    verdict = search.check("k", list(ops), model_for(model, ops), initial, budget)
    assert verdict.method == "search"
    return verdict


def is_legal(*ops, **more) -> bool:
    return judged(*ops, **more).result == "legal"


def test_a_legal_history_has_an_order():
    """It is shown, with the state after each operation."""
    verdict = judged(
        op(1, "put", 1, 9, written="x"),
        op(2, "put", 2, 8, written="y"),
        op(3, "get", 3, 7, seen="x"),
        op(4, "get", 10, 11, seen="y"),
    )
    assert verdict.result == "legal"
    assert verdict.checked == 4
    (order,) = verdict.search.orders
    assert (order.operations, order.states) == ((1, 3, 2, 4), ("x", "x", "y", "y"))


def test_an_illegal_history_names_what_has_no_place():
    """And shows the longest orders, what does not fit after them, and why."""
    verdict = judged(op(1, "put", 1, 2, written="x"), op(2, "put", 3, 4, written="y"), op(3, "get", 5, 6, seen="x"))
    assert (verdict.result, verdict.operations) == ("illegal", (3,))
    assert verdict.reason == "no order has a place for get -> x (operation 3 of c3): by then the key could only be y"
    assert (verdict.search.stuck, verdict.search.before) == (3, 2)
    (order,) = verdict.search.orders
    assert (order.operations, order.states, order.left_out) == ((1, 2), ("x", "y"), 0)
    assert order.refused == {3: "get -> x, but there was y"}


def test_every_operation_that_was_tried_is_in_an_order():
    """One of the longest orders for each of them."""
    ops = [op(number, "put", 1, 9, written=f"w{number}") for number in (1, 2, 3)]
    verdict = judged(*ops, op(4, "put", 1, written="d", outcome="unknown"), op(5, "get", 2, 3, seen="z"))
    shown = {index for order in verdict.search.orders for index in order.operations}
    assert shown == {1, 2, 3}
    assert "or" in verdict.reason


def test_a_write_may_be_of_use_later_though_it_changes_nothing_now():
    """Two writes of one value: the second one brings it back after another."""
    assert is_legal(
        op(1, "put", 1, 2, written="x"),
        op(2, "put", 1, 9, written="x"),
        op(3, "put", 3, 4, written="y"),
        op(4, "get", 5, 6, seen="x"),
    )


def test_unknown_operations_that_ask_for_the_same_are_tried_once():
    """Ten of them cost no more than one; and each may still happen when it is needed."""
    doubtful = [op(number, "put", number, written="x", outcome="unknown") for number in range(1, 11)]
    rest = [op(20 + number, "put", 20 + 4 * number, 21 + 4 * number, written="y") for number in range(10)]
    reads = [op(40 + number, "get", 22 + 4 * number, 23 + 4 * number, seen="x") for number in range(10)]
    verdict = judged(*doubtful, *rest, *reads)
    assert verdict.result == "legal"
    assert verdict.search.configurations < 100
    assert not is_legal(*doubtful[:9], *rest, *reads)


def test_configurations_that_used_more_unknown_operations_are_dropped():
    """Different unknown writes that are overwritten leave one configuration."""
    doubtful = [op(number, "add", number, amount=number, outcome="unknown") for number in range(1, 10)]
    writes = [op(20 + number, "put", 20 + 2 * number, 21 + 2 * number, written="0") for number in range(10)]
    assert judged(*doubtful, *writes, budget=10_000).result == "legal"


def test_what_nobody_can_have_noticed_is_left_out():
    """An unknown write of a value that nobody saw; not where a refusal does not say what it saw."""
    doubtful, get = op(1, "put", 1, written="x", outcome="unknown"), op(2, "get", 2, 3, seen="y")
    assert noticed([doubtful, get]) == [get]
    assert noticed([doubtful, op(2, "get", 2, 3, seen="x")])[0] is doubtful
    for other in (
        op(3, "cas", 4, 5, condition="value", expected="x", written="z"),
        op(3, "cas", 4, 5, condition="value", expected="w", written="z", applied=False),
        op(3, "cas", 4, 5, condition="version", expected_number=1, written="z"),
        op(3, "add", 4, 5, amount=1),
    ):
        assert noticed([doubtful, get, other])[0] is doubtful
    delete = op(1, "delete", 1, outcome="unknown")
    assert noticed([delete, op(2, "cas", 4, 5, condition="absent", written="z")])[0] is delete
    assert noticed([delete, get]) == [get]


def test_too_much_is_left_undecided():
    """The budget is a number of configurations, and nothing is said beyond it."""
    ops = [op(number, "put", 1, 30, written=f"w{number}") for number in range(12)]
    verdict = judged(*ops, op(20, "get", 40, 41, seen="z"), budget=1000)
    assert (verdict.result, verdict.operations) == ("undecided", ())
    assert verdict.reason == "more than 1000 configurations, where 12 operations were under way at once"
    assert judged(*ops, op(20, "get", 40, 41, seen="z")).result == "illegal"


def test_version_numbers_leave_no_choice():
    """Twenty blind writers at once, each told its number: the search goes straight on."""
    taste = Taste(kinds=("get", "put", "delete", "cas"), numbers=True, spoil=0, clients=20, unknown=0.02)
    ops = draw(Random(7), 2000, taste)
    verdict = judged(*ops)
    assert verdict.result == "legal"
    assert verdict.search.configurations < 20_000


def test_long_orders_are_shown_from_their_end(monkeypatch):
    """What is left out is counted."""
    monkeypatch.setattr(search, "SHOWN_MAX", 2)
    puts = [op(number, "put", 2 * number, 2 * number + 1, written=f"w{number}") for number in range(5)]
    (order,) = judged(*puts, op(9, "get", 20, 21, seen="z")).search.orders
    assert (order.operations, order.left_out) == ((3, 4), 3)
    assert judged(*puts).search.orders == []


@pytest.mark.parametrize(("last", "result"), [(4, "legal"), (2, "illegal")])
def test_figure_9_4_a_read_that_goes_back_behind_another_clients_read(last: int, result: str):
    """B's last read returns 2 although A has read 4 before; D's refused compare-and-set keeps to itself what it saw."""
    verdict = judged(*figures.four_clients(last), model="cas-register", initial=0)
    assert verdict.result == result
    assert verdict.operations == (() if result == "legal" else (10,))


def test_figures_9_2_9_3_and_9_6():
    """As the other method says."""
    assert is_legal(*figures.overlapping_reads(0, 1), initial=0)
    assert is_legal(*figures.new_value_once_read(1), initial=0)
    assert judged(*figures.new_value_once_read(0), initial=0).operations == (4,)
    assert judged(*figures.strict_quorum(0), initial=0).operations == (3,)
