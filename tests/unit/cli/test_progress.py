import io
import sys

import pytest

from dynamo.cli import progress as module
from dynamo.cli.progress import Bar, Lines, progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_elsewhere_than_on_a_terminal_lines_come_now_and_then(capsys, monkeypatch):
    """A quick piece of work says nothing; a long one a line every few seconds."""
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    with progress("importing", 1000) as shown:
        assert isinstance(shown, Lines)
        for step in range(1, 11):
            now += 1.0
            shown.at(100 * step, f"{step} keys")
    assert capsys.readouterr().err.splitlines() == [
        "importing: 5 keys, 500 B, 50 %",
        "importing: 10 keys, 1000 B, 100 %",
    ]


def test_steps_of_which_more_turn_up(capsys, monkeypatch):
    """Their number may be known only later, and grow."""
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    with progress("repair", None, in_bytes=False) as shown:
        for done, due in ((0, None), (3, 10), (3, 20)):
            now += 5.0
            shown.at(done, "2 keys repaired", due)
    assert capsys.readouterr().err.splitlines() == [
        "repair: 2 keys repaired, 0",
        "repair: 2 keys repaired, 3 of 10",
        "repair: 2 keys repaired, 3 of 20",
    ]


@pytest.mark.parametrize("colour", [True, False])
def test_on_a_terminal_there_is_a_bar(monkeypatch, colour: bool):
    """Without colours where NO_COLOR is set."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if not colour:
        monkeypatch.setenv("NO_COLOR", "1")
    with progress("importing", 1000) as shown:
        assert isinstance(shown, Bar)
        shown.at(1000, "7 keys")
    text = terminal.getvalue()
    assert "7 keys" in text
    assert ("\x1b[38;5" in text or "\x1b[3" in text) == colour
