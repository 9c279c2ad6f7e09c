import io
import sys

from dynamo.cli import load_display as module
from dynamo.cli.load_display import Lines, Live, display
from dynamo.load.run import Progress
from dynamo.report.result import Moment, Slice
from tests.unit.report.results import second


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def running(at_s: float) -> Progress:
    counts = second(1)
    return Progress("run", 0, 0, at_s, counts, Slice(at_s - 1, 1.0, counts), 3, [Moment(2.0, "kill", "node2")])


def test_elsewhere_than_on_a_terminal_lines_come_now_and_then(capsys, monkeypatch):
    """Faults at once, the rest every few seconds."""
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    with display(30.0) as shown:
        assert isinstance(shown, Lines)
        now += 5.0
        shown.at(Progress("preload", 10, 50))
        for step in range(6):
            now += 1.0
            shown.at(running(step + 1.0))
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["preload: 10 of 50 keys", "2.0 s: kill node2"]
    assert lines[2].startswith("run: 5 of 30 s, 240/s, get at all p99 ")
    assert len(lines) == 3


def test_on_a_terminal_there_is_a_live_table(monkeypatch):
    """Operations, staleness and faults."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with display(30.0) as shown:
        assert isinstance(shown, Live)
        shown.at(Progress("preload", 10, 50))
        shown._next = 0.0
        shown.at(running(7.0))
    for words in ("10 of 50 keys", "7 of 30 s", "get at one", "6 of 100", "kill node2 at 2.0 s"):
        assert words in terminal.getvalue()
