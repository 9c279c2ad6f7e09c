"""Where a run must replay from its seed, nothing depends on the order of a set.

The order of a set of strings or bytes changes with the process. `sorted(...)` gives an order; len, min, max, sum, any,
all, membership and the set operations need none. What is known to be a set: literals, comprehensions, set() and
frozenset(), operators on these or on keys(), and names or attributes that are annotated or assigned as one in the file.
"""

import ast
from collections.abc import Iterator

import pytest

from tests.architecture import tree
from tests.architecture.rooms import DETERMINISTIC
from tests.architecture.tree import Source

MAKERS = frozenset({"set", "frozenset"})
TYPES = frozenset({"set", "frozenset", "Set", "FrozenSet", "AbstractSet", "MutableSet"})
METHODS = frozenset({"union", "intersection", "difference", "symmetric_difference"})
OPERATORS = (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)
# Calls that hand on the order of what they are given.
IN_ORDER = frozenset(
    {"list", "tuple", "enumerate", "iter", "zip", "map", "filter", "reversed", "join", "fromkeys", "deque"}
)


def unordered(source: Source) -> list[str]:
    """Places of one file where a set's own order gets out."""
    if source.room not in DETERMINISTIC:
        return []
    known = _known_sets(source.tree)
    return [
        source.at(node, "the order of a set gets out; iterate over sorted(...)")
        for node in _iterated(source.tree)
        if _is_set(node, known)
    ]


def _iterated(module: ast.Module) -> Iterator[ast.expr]:
    """Expressions whose order is handed on, except a comprehension that sorted() or another set swallows at once."""
    swallowed = {id(node) for node in _swallowed(module)}
    for node in ast.walk(module):
        if isinstance(node, ast.For | ast.AsyncFor):
            yield node.iter
        elif isinstance(node, ast.ListComp | ast.DictComp | ast.GeneratorExp) and id(node) not in swallowed:
            yield from (generator.iter for generator in node.generators)
        elif isinstance(node, ast.Starred | ast.YieldFrom):
            yield node.value
        elif isinstance(node, ast.Call) and _called(node) in IN_ORDER:
            yield from (node.args if id(node) not in swallowed else [])
        elif isinstance(node, ast.Call) and _called(node) == "pop" and not node.args:
            yield node.func.value if isinstance(node.func, ast.Attribute) else node


def _swallowed(module: ast.Module) -> Iterator[ast.expr]:
    orderless = MAKERS | {"sorted", "sum", "any", "all", "len", "min", "max", "Counter"}
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in orderless:
            yield from node.args


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _known_sets(module: ast.Module) -> set[str]:
    """Names and attributes (by their dotted text) that the file itself makes or annotates as sets."""
    known: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.AnnAssign) and _is_set_type(node.annotation):
            known.add(ast.unparse(node.target))
            known.add(f"self.{ast.unparse(node.target)}")
        elif isinstance(node, ast.arg) and node.annotation is not None and _is_set_type(node.annotation):
            known.add(node.arg)
        elif isinstance(node, ast.Assign) and _is_set(node.value, known):
            known.update(ast.unparse(target) for target in node.targets)
    return known


def _is_set_type(annotation: ast.expr) -> bool:
    base = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return (isinstance(base, ast.Name) and base.id in TYPES) or (isinstance(base, ast.Attribute) and base.attr in TYPES)


def _is_set(node: ast.expr, known: set[str]) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute):
            return node.func.attr in METHODS
        return _called(node) in MAKERS
    if isinstance(node, ast.BinOp) and isinstance(node.op, OPERATORS):
        return any(_is_set(side, known) or _is_keys(side) for side in (node.left, node.right))
    return isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in known


def _is_keys(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "keys"


def test_no_order_comes_from_a_set():
    """Every loop of the deterministic rooms runs in an order that a seed replays."""
    assert [finding for source in tree.product(tree.ROOT) for finding in unordered(source)] == []


@pytest.mark.parametrize(
    "code",
    [
        "for x in {1, 2}: pass",
        "for x in set(y): pass",
        "for x in frozenset(y): pass",
        "for x in {z for z in y}: pass",
        "[x for x in set(y)]",
        "{x: 1 for x in set(y)}",
        "list({x for x in y})",
        "enumerate(set(y))",
        "', '.join({'a', 'b'})",
        "[*set(y)]",
        "for x in a.keys() - b.keys(): pass",
        "for x in set(a) | set(b): pass",
        "for x in set(a).union(b): pass",
        "seen = set()\nfor x in seen: pass",
        "def f(seen: set[str]):\n    for x in seen: pass",
        "def f(seen: frozenset[str]):\n    return seen.pop()",
        "class A:\n    peers: set[str]\n    def f(self):\n        return tuple(self.peers)",
        "class A:\n    def __init__(self): self.peers = set()\n    def f(self):\n        yield from self.peers",
    ],
)
def test_a_set_that_gives_the_order_is_caught(plant, code: str):
    """Loops, comprehensions, conversions and pop: each lets the order out."""
    root = plant({"dynamo/ring/token.py": code})
    assert len(unordered(Source(root, root / "dynamo/ring/token.py"))) == 1


@pytest.mark.parametrize(
    "code",
    [
        "for x in sorted(set(y)): pass",
        "sorted(x for x in set(y))",
        "any(x for x in {1, 2})",
        "len(set(y))",
        "{x for x in set(y)}",
        "seen = set()\nif x in seen: seen.add(y)",
        "waiting = [1]\nwaiting.pop()",
        "for x in a | b: pass",
        "for x in a.keys(): pass",
    ],
)
def test_a_set_that_keeps_its_order_to_itself_passes(plant, code: str):
    """Sorted, counted, tested for membership, or turned into another set."""
    root = plant({"dynamo/ring/token.py": code})
    assert unordered(Source(root, root / "dynamo/ring/token.py")) == []
