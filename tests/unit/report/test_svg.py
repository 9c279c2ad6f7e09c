import xml.etree.ElementTree as ET

from dynamo.report import svg
from dynamo.report.axes import Even

FRAME = svg.Frame(10, 20, 100, 50, Even(0, 10), Even(0, 1))


def test_a_picture_is_well_formed_and_says_what_it_is():
    """Also with words that are markup."""
    words = 'a < b & "c"'
    parts = [
        svg.text(1, 2, words), svg.dot(1, 2, 3, "red", words=words), svg.line(0, 0, 1, 1), svg.rect(0, 0, 1, 1, "red"),
        svg.path([(0, 0), (1, 1)], "red"), svg.area([(0, 0)], [(0, 1)], "red"), svg.legend(0, 0, [("red", words)]),
        FRAME.grid("across", "up"),
    ]  # fmt: skip
    root = ET.fromstring(svg.document(100, 50, words, parts))
    assert root.get("aria-label") == words
    assert words in [each.text for each in root.iter() if each.text]


def test_nothing_is_drawn_of_nothing():
    """A line through no points is no line."""
    assert svg.path([], "red") == svg.area([], [], "red") == ""


def test_places_in_a_frame():
    """Up is up."""
    assert FRAME.at(0, 0) == (10, 70)
    assert FRAME.at(10, 1) == (FRAME.right, 20)
    assert FRAME.bottom == 70
    assert FRAME.across_ticks()[0].text == "0"


def test_a_level_has_one_colour():
    """Its own; numbers take turns."""
    assert len({svg.colour(level) for level in ("one", "quorum", "all", "linearizable", "1", "2", "3")}) == 7
    assert svg.colour("one") == "var(--one)"
