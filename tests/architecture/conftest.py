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
    shown = ", ".join(f"{room} {lines:g}" for room, lines in by_room.items())
    terminalreporter.write_line(f"median function length in lines: {shown}")
