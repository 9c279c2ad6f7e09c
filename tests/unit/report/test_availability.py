import re

import pytest

from dynamo.report.availability import availability, expected
from dynamo.report.counts import Counts
from tests.unit.report.drawing import words
from tests.unit.report.results import result


def test_a_cell_for_each_level_and_number_of_nodes_away():
    """Measured where that was so, with what must be so."""
    chart = availability(result())
    rows = {row[0]: row[1:] for row in chart.table.rows}
    assert rows["get at all"][0] == "560 of 560 (100 %, 99.32 % to 100 %); expected: works"
    assert rows["get at all"][1].startswith("0 of 240 ")
    assert rows["get at all"][1].endswith("expected: fails")
    assert rows["get at one"][2] == "none looked at; expected: works"
    assert "not measured" in words(chart)
    assert chart.says == (
        "with 0 away the worst is get at all, 100 % answered; with 1 away the worst is get at all, 0 % answered."
    )


def test_what_stands_on_colour_can_be_read():
    """In the page's ink; grey is for cells that are empty."""
    cells = re.findall(r'class="(label|tick)">(?:works|fails)<', availability(result()).picture)
    assert cells.count("label") == 6
    assert cells.count("tick") == 6


@pytest.mark.parametrize(
    ("words", "down", "said"),
    [("get one", 2, "works"), ("get one", 3, "fallbacks"), ("put quorum", 2, "fallbacks"), ("rmw one", 2, "fallbacks"),
     ("get all", 1, "fallbacks"), ("put quorum", 4, "fails")],
)  # fmt: skip
def test_what_must_be_so(words, down, said):
    """By R, W and N; other nodes may stand in where there are some, but never for linearizable keys."""
    five = result(nodes=[f"node{number}" for number in range(1, 6)])
    assert expected(five, words, down) == said
    strict = result(nodes=five.nodes, plan={"mode": "linearizable"})
    assert expected(strict, "put linearizable", 2) == "fails"


def test_seconds_in_which_somebody_left_are_left_out():
    """Half of such a second was this, half was that."""
    moved = result(moments=[type(each)(each.at_s + 0.5, each.kind, each.node) for each in result().moments])
    rows = {row[0]: row[1:] for row in availability(moved).table.rows}
    assert rows["get at one"][0].startswith("600 of 600")
    assert rows["get at one"][1].startswith("200 of 200")


def test_nothing_asked():
    """Nothing drawn."""
    chart = availability(result(totals=Counts(), slices=[]))
    assert chart.picture == ""
    assert chart.says == "Nothing was asked."
