"""The same as text."""

from dynamo.checker.picture import draw_key
from dynamo.checker.plain_picture import KEYS_MAX, LINES_MAX, WIDTH, key_picture, picture
from dynamo.checker.visualize import draw
from tests.unit.checker.stale_read import ASIDES, REASON, fine, stale_read


def test_a_counterexample_as_text():
    """The reason, a line an operation with its version and place, the cross, and why."""
    assert key_picture(draw_key(stale_read(), 100.0)).splitlines() == [
        "",
        "b/k: illegal (intervals of unique values)",
        REASON,
        "    op client what                      ver   no.",
        "     1 C      put old (v1)                1     1 |---*---|",
        "     2 C      put new: outcome unknown          2                 |-------*------------------------>",
        "     3 A      get -> new (v2)             2     3                         |----*---|",
        "     4 B      get -> old (v1)             1     -                                          |---X---|",
        "   operation 4: get -> old, but there was new",
    ]


def test_lines_fit_a_terminal():
    """Words are cut, the drawing has what is left."""
    judged = stale_read()
    judged.ops[0].written = "x" * 200
    assert max(map(len, key_picture(draw_key(judged, 100.0)).splitlines()[3:])) <= WIDTH


def test_of_many_operations_those_around_the_failure_are_shown():
    """And it says of how many."""
    text = key_picture(draw_key(fine(1000), 100.0))
    assert len(text.splitlines()) == LINES_MAX + 4
    assert text.endswith(f"   ({LINES_MAX} of 1000 operations)")


def test_legal_keys_are_counted_and_bad_ones_shown():
    """Of a legal history one key is an example."""
    text = picture(draw("h.jsonl", [fine(3), stale_read()], ASIDES))
    assert text.startswith("h.jsonl: illegal\n7 operations on 2 keys\n1 illegal\n1 legal\n\nb/k: illegal")
    assert "b/fine" not in text
    assert "b/fine: legal" in picture(draw("h.jsonl", [fine(3)]))
    many = picture(draw("h.jsonl", [stale_read() for _ in range(KEYS_MAX + 2)]))
    assert many.endswith("and 2 more keys that are not legal\n")
