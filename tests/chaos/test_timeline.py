import xml.etree.ElementTree as ET

import pytest

from tests.chaos.timeline import Bar, Mark, Panel, Series, _steps, draw, growth, nice, per_second, sampled
from tests.chaos.watch import Sample, recovery_s, series_of

SVG = "{http://www.w3.org/2000/svg}"


def picture() -> ET.Element:
    bars = [Bar("node1", "kill", "kill", 10, 20), Bar("node2", "ring", "<ring> & more", 0, 60)]
    panels = [Panel("Answers", [Series("ok", "#123456", [1, 2, 3]), Series("none", "#654321", [0, 0, 0])], totals=True)]
    return ET.fromstring(draw(("node1", "node2"), bars, panels, [Mark(30, "heal")], 60))


def test_the_picture_is_well_formed_whatever_the_words():
    """Names are escaped."""
    assert picture().tag == f"{SVG}svg"


def test_a_fault_is_as_wide_as_it_lasted():
    """Ten of sixty seconds are a sixth of what all of them take."""
    widths = {
        shape.find(f"{SVG}title").text.split(",")[0]: float(shape.get("width"))
        for shape in picture().iter(f"{SVG}rect")
        if shape.find(f"{SVG}title") is not None
    }
    assert widths["kill"] / widths["<ring> & more"] == pytest.approx(1 / 6, rel=0.01)


def test_a_series_of_zeros_draws_nothing():
    assert [shape.get("fill") for shape in picture().iter(f"{SVG}path")] == ["#123456"]


def test_equal_values_are_one_step():
    """A quiet minute costs no more than a quiet second."""
    assert _steps([0, 1, 2, 3, 4], [5, 5, 5, 7]) == "V5H3V7H4"


def test_faults_are_numbered_in_their_order_and_kinds_explained():
    """As in the table below the picture; every kind of partition is one entry."""
    words = [text.text for text in picture().iter(f"{SVG}text")]
    assert words.index("1") < words.index("2") < words.index("partition (ring)")


def test_the_legend_tells_sums():
    assert any(text.text == "ok 6" for text in picture().iter(f"{SVG}text"))


@pytest.mark.parametrize(
    ("value", "roof"), [(0, 1), (1, 1), (1.2, 2), (3, 5), (5, 5), (7, 10), (130, 200), (999, 1000)]
)
def test_a_scale_ends_at_a_round_number(value: float, roof: float):
    assert nice(value) == roof


def test_moments_are_counted_by_second():
    assert per_second([0.1, 0.9, 2.5, 9], 3) == [2, 0, 1, 1]


def test_a_sample_counts_until_the_next():
    assert sampled([(0.5, 4), (2.2, 1)], 3) == [4, 4, 1, 1]
    assert growth([1, 1, 4, 3]) == [1, 0, 3, 0]


def test_recovery_is_counted_from_the_last_heal_and_must_last():
    """Equal, different again, equal: the second time counts. What never comes is None."""
    samples = [Sample(at, 5, hints, differing, {}) for at, hints, differing in _LOOKS]
    assert recovery_s(samples, 10) == {"hints delivered": 1.0, "replicas equal": 4.0}
    assert recovery_s(samples[:4], 10)["replicas equal"] is None


_LOOKS = [(9, 0, 0), (10, 5, 3), (11, 0, 0), (12, 0, 2), (14, 0, 0), (15, 0, 0)]


def test_only_the_wanted_series_of_a_page_are_read():
    page = 'a_total{event="x"} 3\na_total{event="y"} 4\n# HELP a_total 9\nb 1.5\n'
    assert series_of(page, ('a_total{event="y"}', "b")) == [('a_total{event="y"}', 4.0), ("b", 1.5)]
    assert sum(value for _, value in series_of(page, ("a_total",))) == 7
