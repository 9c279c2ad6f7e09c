"""Files and functions stay small enough to be one thing.

A file has at most 400 lines, a function 60 (its docstring apart). A file that outgrew its budget may stand in RATCHET
with its present size: it may shrink, and then the entry follows; it may not grow, and 500 is the end.
"""

import ast
import statistics
from pathlib import Path

import pytest

from tests.architecture import tree

FILE_LINES_MAX = 400
FILE_LINES_END = 500
FUNCTION_LINES_MAX = 60

# path: lines today. An entry is a debt, and says in its comment why it was taken.
RATCHET: dict[str, int] = {}


def long_files(root: Path, ratchet: dict[str, int]) -> list[str]:
    """Files over their budget, and ratchet entries that no longer fit."""
    sizes = {source.shown: len(source.path.read_text().splitlines()) for source in tree.python_files(root)}
    found = [f"RATCHET: {path} is gone" for path in ratchet if path not in sizes]
    for path, lines in sizes.items():
        if lines > FILE_LINES_END:
            found.append(f"{path}: {lines} lines, over {FILE_LINES_END}")
        elif path in ratchet:
            found += _ratcheted(path, lines, ratchet[path])
        elif lines > FILE_LINES_MAX:
            found.append(f"{path}: {lines} lines, over {FILE_LINES_MAX}")
    return found


def _ratcheted(path: str, lines: int, allowed: int) -> list[str]:
    if lines > allowed:
        return [f"{path}: {lines} lines, grew past the {allowed} of its RATCHET entry"]
    if lines <= FILE_LINES_MAX:
        return [f"RATCHET: {path} fits the budget again, drop its entry"]
    if lines < allowed:
        return [f"RATCHET: {path} shrank to {lines}, lower its entry"]
    return []


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without decorators and docstring."""
    assert function.end_lineno is not None
    opening = function.body[0]
    docstring = 0
    if tree.statements(function) is not function.body:
        assert opening.end_lineno is not None
        docstring = opening.end_lineno - opening.lineno + 1
    return function.end_lineno - function.lineno + 1 - docstring


def long_functions(root: Path) -> list[str]:
    return [
        source.at(function, f"{function.name} has {length(function)} lines, over {FUNCTION_LINES_MAX}")
        for source in tree.product(root)
        for function in tree.functions(source.tree)
        if length(function) > FUNCTION_LINES_MAX
    ]


def medians(root: Path) -> dict[str, float]:
    """Median function length by room: shown at the end of a run, where 10 or less is the aim."""
    lengths: dict[str, list[int]] = {}
    for source in tree.product(root):
        for function in tree.functions(source.tree):
            lengths.setdefault(source.room, []).append(length(function))
    return {room: statistics.median(each) for room, each in sorted(lengths.items())}


def test_files_keep_to_their_budget():
    """No file of product or tests is over 400 lines, unless the ratchet holds it; none is over 500."""
    assert long_files(tree.ROOT, RATCHET) == []


def test_functions_keep_to_their_budget():
    """No function of the product is over 60 lines."""
    assert long_functions(tree.ROOT) == []


@pytest.mark.parametrize(
    ("lines", "allowed", "findings"),
    [(400, None, 0), (401, None, 1), (450, 450, 0), (451, 450, 1), (449, 450, 1), (390, 450, 1), (501, 501, 1)],
)
def test_the_file_budget_and_its_ratchet_hold(plant, lines: int, allowed: int | None, findings: int):
    """401 lines fail alone; an entry allows its own size, no more, no less, and nothing over 500."""
    root = plant({"dynamo/ring/ring.py": "x = 1\n" * lines})
    ratchet = {} if allowed is None else {"dynamo/ring/ring.py": allowed}
    assert len(long_files(root, ratchet)) == findings


def test_a_ratchet_entry_for_a_lost_file_is_caught(plant):
    """A debt paid by removing the file is struck off."""
    assert len(long_files(plant({}), {"dynamo/gone.py": 450})) == 1


@pytest.mark.parametrize(("lines", "findings"), [(59, 0), (60, 1)])
def test_a_long_function_is_caught(plant, lines: int, findings: int):
    """`def` and 59 lines pass, one more fails; the docstring is not counted."""
    body = '    """Says\n    much."""\n' + "    x = 1\n" * lines
    root = plant({"dynamo/ring/ring.py": f"def f():\n{body}"})
    assert len(long_functions(root)) == findings


def test_medians_are_by_room(plant):
    """The figure that a run reports is the middle one of each room."""
    root = plant({"dynamo/ring/a.py": "def f():\n    x = 1\n    y = 2\n\ndef g(): pass\n\ndef h(): pass\n"})
    assert medians(root) == {"ring": 1}
