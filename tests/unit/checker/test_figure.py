"""The still picture: well-formed, complete, and honest about where it fails."""

from pathlib import Path
from xml.etree import ElementTree as ET

from dynamo.checker.figure import BAD, BARS_MAX, OPEN, draw
from dynamo.checker.picture import draw_key
from tests.unit.checker.stale_read import REASON, fine, stale_read

ROOT = Path(__file__).resolve().parents[3]
SVG = "{http://www.w3.org/2000/svg}"


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)


def drawn() -> ET.Element:
    key = draw_key(stale_read(), 100.0)
    return parsed(draw(key, key.views[0]))


def test_every_operation_has_a_bar_with_its_words():
    """Of the four, one has no end and runs out of the picture in a point."""
    picture = drawn()
    bars = [group for group in picture.iter(f"{SVG}g") if group.find(f"{SVG}text") is not None]
    assert [bar.findtext(f"{SVG}title") for bar in bars] == [
        "put old (v1)",
        "put new: outcome unknown",
        "get -> new (v2)",
        "get -> old (v1)",
    ]
    (open_ended,) = [bar for bar in bars if bar.find(f"{SVG}path") is not None]
    assert open_ended.find(f"{SVG}path").get("fill") == OPEN
    assert [bar.find(f"{SVG}rect").get("stroke") for bar in bars[2:]] == [BAD, BAD]


def test_the_line_and_the_cross():
    """Three points in order from left to right, and a cross to the right of them on the row of B."""
    picture = drawn()
    chosen = picture.findall(f"{SVG}polyline")[-1]
    points = [tuple(map(float, pair.split(","))) for pair in chosen.get("points").split()]
    assert len(points) == 3
    assert points == sorted(points)
    (cross,) = [group for group in picture.iter(f"{SVG}g") if group.get("stroke") == BAD]
    assert cross.findtext(f"{SVG}title") == "get -> old, but there was new"
    assert float(cross.find(f"{SVG}circle").get("cx")) > points[-1][0]


def test_it_says_what_it_shows():
    """The title is the reason, with the key."""
    assert drawn().findtext(f"{SVG}title") == f"b/k: {REASON}"


def test_text_is_no_markup():
    """Values may be anything."""
    judged = stale_read()
    judged.ops[0].written = "<b>&\"'"
    key = draw_key(judged, 100.0)
    assert "put <b>&\"' (v1)" in [each.text for each in parsed(draw(key, key.views[0])).iter(f"{SVG}title")]


def test_nobody_can_read_a_thousand_bars():
    """Then there is no picture, nor of nothing."""
    key = draw_key(fine(BARS_MAX), 100.0)
    assert draw(key, key.views[0]) != ""
    key = draw_key(fine(BARS_MAX + 1), 100.0)
    assert draw(key, key.views[0]) == ""


def test_the_picture_in_the_documents_is_this_one():
    """What a reader of docs/checker.md sees is what is drawn today."""
    key = draw_key(stale_read(), 100.0)
    assert (ROOT / "docs" / "checker.svg").read_text(encoding="utf-8") == draw(key, key.views[0]) + "\n"
