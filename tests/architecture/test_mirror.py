"""Each file that decides something has a unit test of its own name, in the folder of its room."""

import ast
from pathlib import Path

import pytest

from tests.architecture import tree
from tests.architecture.rooms import MIRRORED
from tests.architecture.tree import Source

# path: why it has no unit test of its own, and what tests it instead.
UNMIRRORED: dict[str, str] = {}


def has_code(source: Source) -> bool:
    """Whether any function does something: declarations, constants and protocols need no test."""
    return any(_does_something(function) for function in tree.functions(source.tree))


def _does_something(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(
        not isinstance(statement, ast.Pass)
        and not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        for statement in tree.statements(function)
    )


def mirror_of(source: Source) -> str:
    """`dynamo/ring/token.py` is tested by `tests/unit/ring/test_token.py`; a file at the top by `tests/unit/test_*`."""
    inside = source.path.relative_to(source.root / tree.PACKAGE)
    return (Path("tests/unit") / inside.parent / f"test_{inside.name}").as_posix()


def unmirrored(root: Path, excused: dict[str, str]) -> list[str]:
    """Files without their test, and excuses that are no longer needed."""
    lacking = [
        source
        for source in tree.product(root)
        if source.room in MIRRORED and has_code(source) and not (root / mirror_of(source)).is_file()
    ]
    shown = {source.shown for source in lacking}
    found = [f"{source.shown}: no {mirror_of(source)}" for source in lacking if source.shown not in excused]
    return found + [f"UNMIRRORED: {path} needs no excuse" for path in excused if path not in shown]


def test_unit_tests_mirror_the_files():
    """Who changes a file of layers 0-3, client, checker or workload finds its test without a search."""
    assert unmirrored(tree.ROOT, UNMIRRORED) == []


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("dynamo/ring/token.py", "def f(x):\n    return x"),
        ("dynamo/config.py", "class A:\n    def f(self):\n        return 1"),
        ("dynamo/client/session.py", "async def f(x):\n    await x"),
    ],
)
def test_a_missing_test_is_caught(plant, path: str, code: str):
    """Functions and methods, in rooms and at the top."""
    assert len(unmirrored(plant({path: code}), {})) == 1


def test_the_right_test_is_found(plant):
    """The mirror of a file in a room lies in the folder of that room."""
    code = "def f(x):\n    return x"
    assert unmirrored(plant({"dynamo/ring/token.py": code, "tests/unit/ring/test_token.py": ""}), {}) == []
    assert len(unmirrored(plant({"dynamo/ring/ring.py": code, "tests/unit/test_ring.py": ""}), {})) == 1


def test_declarations_need_no_test(plant):
    """Protocols, constants and slotted data say nothing that could be wrong."""
    code = 'N = 3\nclass Port:\n    n: int\n    def f(self) -> int:\n        """Says."""\n        ...\n'
    assert unmirrored(plant({"dynamo/ports.py": code}), {}) == []


def test_a_needless_excuse_is_caught(plant):
    """An excuse ends with its reason."""
    assert len(unmirrored(plant({"dynamo/ring/token.py": "N = 3"}), {"dynamo/ring/token.py": "why"})) == 1
