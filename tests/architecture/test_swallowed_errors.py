"""An error is handled, or it is seen. Bugs crash."""

import ast

import pytest

from tests.architecture import tree
from tests.architecture.tree import Source

EVERYTHING = frozenset({"Exception", "BaseException"})


def swallowed(source: Source) -> list[str]:
    """Handlers that catch all and do nothing, and handlers that catch what they do not name."""
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler):
            if node.type is None:
                found.append(source.at(node, "bare except"))
            elif _catches_all(node.type) and all(_is_idle(statement) for statement in node.body):
                found.append(source.at(node, "every error is swallowed"))
        elif isinstance(node, ast.Call) and _is_suppress(node.func) and any(map(_catches_all, node.args)):
            found.append(source.at(node, "every error is suppressed"))
    return found


def _catches_all(caught: ast.expr) -> bool:
    if isinstance(caught, ast.Tuple):
        return any(map(_catches_all, caught.elts))
    return isinstance(caught, ast.Name) and caught.id in EVERYTHING


def _is_idle(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass | ast.Continue) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def _is_suppress(function: ast.expr) -> bool:
    return (isinstance(function, ast.Name) and function.id == "suppress") or (
        isinstance(function, ast.Attribute) and function.attr == "suppress"
    )


def test_no_error_is_swallowed():
    """Nothing in product or tests catches everything and goes on as if nothing had been."""
    assert [finding for source in tree.python_files(tree.ROOT) for finding in swallowed(source)] == []


@pytest.mark.parametrize(
    "code",
    [
        "try: f()\nexcept: pass",
        "try: f()\nexcept: raise",
        "try: f()\nexcept Exception: pass",
        "try: f()\nexcept BaseException as e: ...",
        "try: f()\nexcept (ValueError, Exception): pass",
        "for x in y:\n    try: f()\n    except Exception: continue",
        "import contextlib\nwith contextlib.suppress(Exception): f()",
    ],
)
def test_a_swallowed_error_is_caught(plant, code: str):
    """Bare, idle, in a tuple, by continue, by suppress."""
    root = plant({"dynamo/ring/ring.py": code})
    assert len(swallowed(Source(root, root / "dynamo/ring/ring.py"))) == 1


@pytest.mark.parametrize("code", ["try: f()\nexcept KeyError: pass", "try: f()\nexcept Exception as e: log(e)"])
def test_a_handled_error_passes(plant, code: str):
    """A named error may mean nothing, and any error may be reported."""
    root = plant({"dynamo/ring/ring.py": code})
    assert swallowed(Source(root, root / "dynamo/ring/ring.py")) == []
