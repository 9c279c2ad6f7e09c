"""A name says what a thing is. Words that fit everything name nothing, and gather everything."""

import ast
import re
from pathlib import Path

import pytest

from tests.architecture import tree

BANNED = frozenset({"util", "utils", "helper", "helpers", "common", "manager", "managers", "misc"})
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def words(name: str) -> set[str]:
    """`HintManager` and `hint_manager` both hold `manager`."""
    return {word.lower() for word in WORD.findall(name)}


def empty_names(root: Path) -> list[str]:
    """Files, folders and classes that carry a banned word."""
    found = []
    for source in tree.python_files(root):
        for part in source.path.relative_to(root).with_suffix("").parts:
            found += [f"{source.shown}: {part!r} names nothing" for _ in words(part) & BANNED]
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef) and words(node.name) & BANNED:
                found.append(source.at(node, f"{node.name!r} names nothing"))
    return found


def test_names_say_what_things_are():
    """No file, folder or class of product or tests is a drawer for anything."""
    assert empty_names(tree.ROOT) == []


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("dynamo/ring/utils.py", ""),
        ("dynamo/ring/_util.py", ""),
        ("dynamo/common/ring.py", ""),
        ("dynamo/ring/hint_manager.py", ""),
        ("tests/unit/helpers.py", ""),
        ("dynamo/ring/ring.py", "class HintManager: pass"),
        ("dynamo/ring/ring.py", "class HTTPHelper: pass"),
        ("dynamo/ring/ring.py", "def f():\n    class Misc: pass"),
    ],
)
def test_an_empty_name_is_caught(plant, path: str, code: str):
    """In files, folders and classes, alone or as one word of several."""
    assert len(empty_names(plant({path: code}))) == 1


def test_a_word_that_only_contains_one_passes(plant):
    """`commonly` and `utility` are other words."""
    assert empty_names(plant({"dynamo/ring/utility.py": "class Commonly: pass"})) == []
