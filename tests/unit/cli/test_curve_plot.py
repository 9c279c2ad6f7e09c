"""Curves as text."""

from dynamo.cli.curve_plot import COLUMNS, ROWS, plot, time_text


def test_a_step_is_drawn_where_it_is():
    """Half until 10 ms, all from there: two straight lines, 61 columns over five decades."""
    lines = plot({"a": [(0.0, 0.5), (0.01, 1.0)]})
    assert len(lines) == ROWS + 2
    assert lines[0] == " 100% |" + " " * 2 + " " * 24 + "a" * (COLUMNS - 24)
    assert lines[5] == "  50% |" + "a " + "a" * 24
    assert all(line.endswith("|") for line in lines[1:5] + lines[6:ROWS])


def test_the_scale_stands_below():
    """The moment 0 apart, then a mark for each decade."""
    scale = plot({"a": [(0.0, 0.0)]})[-1]
    assert scale.split() == ["0", "0.1ms", "1ms", "10ms", "100ms", "1s", "10s"]
    assert scale.index("10ms") == len("  50% |") + 2 + 24


def test_nearly_all_is_not_all():
    """Only what is 100% is drawn there, and only what is nothing at the bottom... or nearly nothing."""
    nearly, nothing = plot({"a": [(0.0, 0.9999)]}), plot({"a": [(0.0, 0.0)]})
    assert "a" in nearly[1]
    assert "a" not in nearly[0]
    assert "a" in nothing[ROWS - 1]


def test_times_for_people():
    """Milliseconds below a second."""
    assert [time_text(each) for each in (0, 0.0001, 0.0215, 1.0, 12.34)] == ["0ms", "0.1ms", "21.5ms", "1s", "12.3s"]
