"""Imports say what they take: no star, and nobody inside reaches for the package root's names.

A module that asks the root for a name ties every room to every other; a star hides where a name is from.
"""

import pytest

from tests.architecture import tree
from tests.architecture.imports import imports
from tests.architecture.tree import Source


def vague_imports(source: Source) -> list[str]:
    """Stars anywhere; names of the package root inside the package."""
    found = []
    inside = source.path.is_relative_to(source.root / tree.PACKAGE)
    for each in imports(source):
        if each.name == "*":
            found.append(source.at(each.node, f"import * from {each.module}"))
        elif inside and each.room == "__init__" and source.room not in {"cli", "__main__"}:
            found.append(source.at(each.node, "the package root is imported from inside; name the room"))
    return found


def test_imports_say_what_they_take():
    """No star import in product or tests, no import of the root inside; the command line may ask for the version."""
    assert [finding for source in tree.python_files(tree.ROOT) for finding in vague_imports(source)] == []


@pytest.mark.parametrize(
    "line",
    [
        "from dynamo.ring.token import *",
        "from os import *",
        "from dynamo import Store",
        "from .. import Store",
        "import dynamo",
    ],
)
def test_a_vague_import_is_caught(plant, line: str):
    """Stars from anywhere, the root by its name or by dots."""
    root = plant({"dynamo/ring/ring.py": line})
    assert len(vague_imports(Source(root, root / "dynamo/ring/ring.py"))) == 1


@pytest.mark.parametrize("line", ["from dynamo import errors", "from .. import errors", "from dynamo.ring import ring"])
def test_a_room_may_be_asked_for(plant, line: str):
    """A submodule of the root is a room, not a name of the root."""
    root = plant({"dynamo/errors.py": "", "dynamo/ring/ring.py": line})
    assert vague_imports(Source(root, root / "dynamo/ring/ring.py")) == []
