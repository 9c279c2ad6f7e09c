import xml.etree.ElementTree as ET

import pytest

from tests.profile.flame import LEAST_PX, WIDTH, folded, svg
from tests.profile.stacks import Frame

SVG = "{http://www.w3.org/2000/svg}"
MAIN = Frame("/x/dynamo/server.py", "run")
HOT, ODD = Frame("/x/dynamo/api/app.py", "App.hot"), Frame("/x/dynamo/api/odd.py", "f.<locals>.<genexpr>; & g")
STACKS = {(MAIN, HOT): 3.0, (MAIN, ODD): 1.0, (): 4.0}


def boxes() -> dict[str, tuple[float, float, float]]:
    """Left edge, top and width of each box, by its hint."""
    found = {}
    for group in ET.fromstring(svg("<a> & b", STACKS)).iter(f"{SVG}g"):
        title, shape = group.find(f"{SVG}title"), group.find(f"{SVG}rect")
        if title is not None:
            found[title.text] = tuple(float(shape.get(name)) for name in ("x", "y", "width"))
    return found


def test_width_is_time():
    """Half of all was outside of Python; a box has the time of all that it called."""
    by_hint = boxes()
    assert by_hint["dynamo/server.py:run: 50.0%"][2] == pytest.approx(WIDTH / 2, abs=1)
    assert by_hint["api/app.py:App.hot: 37.5%"][2] == pytest.approx(WIDTH * 3 / 8, abs=1)


def test_what_is_called_lies_in_the_width_of_its_caller():
    """One row further down, side by side."""
    by_hint = boxes()
    main, hot = by_hint["dynamo/server.py:run: 50.0%"], by_hint["api/app.py:App.hot: 37.5%"]
    (odd,) = [box for hint, box in by_hint.items() if "odd.py" in hint]
    assert hot[1] == odd[1] > main[1]
    assert hot[0] == main[0]
    assert odd[0] == pytest.approx(hot[0] + hot[2], abs=1)


def test_boxes_too_narrow_to_see_are_left_out():
    least = LEAST_PX / WIDTH
    drawn = svg("x", {(MAIN,): 1.0, (HOT,): least / 2})
    assert "App.hot" not in drawn


def test_nothing_was_sampled():
    """A picture without boxes."""
    assert ET.fromstring(svg("x", {})).tag == f"{SVG}svg"


def test_folded_lines_have_stacks_and_microseconds():
    """No name holds what parts functions, or stack and number."""
    lines = folded(STACKS).splitlines()
    assert "dynamo/server.py:run;api/app.py:App.hot 3000000" in lines
    assert "- 4000000" in lines
    assert all(line.count(" ") == 1 for line in lines)
