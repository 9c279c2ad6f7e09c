"""A small tree for the rules' own tests, and the medians that a reader of the run wants to see."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.architecture import tree
from tests.architecture.test_budgets import medians


@pytest.fixture
def plant(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """Writes files into an empty repository and answers its root."""

    def write(files: dict[str, str]) -> Path:
        for name, content in {"dynamo/__init__.py": "", **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path

    return write


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    try:
        by_room = medians(tree.ROOT)
    except SyntaxError:
        return  # the run has already failed by it, and a summary must not hide that
    # Folders only: a room that is a single file, such as errors.py, has no style of its own, and its name among the
    # last words of a run would read as a failure to whoever looks for one there.
    rooms = tree.folders(tree.ROOT)
    shown = ", ".join(f"{room} {by_room[room]:g}" for room in rooms if room in by_room)
    terminalreporter.write_line(f"median function length in lines: {shown}")
