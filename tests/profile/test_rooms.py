import ast
from pathlib import Path

import pytest

from tests.architecture import tree
from tests.profile.rooms import (
    BESIDE,
    CHILD,
    DYNAMO,
    HTTP,
    LIBRARIES,
    LOOP,
    REPLICA,
    SENDS,
    STORE,
    WHAT,
    WRITER,
    of_file,
    of_module,
    room,
)
from tests.profile.stacks import Frame

PACKAGE = tree.ROOT / tree.PACKAGE
MODULES = [source.path.relative_to(PACKAGE).as_posix() for source in tree.product(tree.ROOT)]


def stack(*frames: str):
    """Frames as `api/app.py:App.hot`, outermost first; others than the package's with their whole path."""
    parts = [frame.rpartition(":") for frame in frames]
    return tuple(Frame(file if file.startswith("/") else f"{PACKAGE}/{file}", name) for file, _, name in parts)


def placeless(modules: list[str]) -> list[str]:
    """Modules in no room, and those both in one and beside."""
    return [module for module in modules if bool(of_module(module)) == module.startswith(BESIDE)]


def test_every_module_is_in_a_room_or_beside():
    """A new package of the store must say where its time is counted."""
    assert placeless(MODULES) == []


def test_a_module_without_a_room_is_caught():
    assert placeless(["attic/old.py", "api/app.py"]) == ["attic/old.py"]


def test_the_table_has_no_more_than_there_is():
    """A row that matches no module was renamed, or has gone."""
    rows = [*DYNAMO, *BESIDE]
    assert [row for row in rows if not any(module.startswith(row) for module in MODULES)] == []


def test_all_rooms_have_a_line_in_the_table():
    assert {*DYNAMO.values(), *LIBRARIES.values(), WRITER, CHILD, LOOP} == set(WHAT)


def test_functions_that_send_are_there():
    """By file and qualified name, as a sample has them."""
    for module, qualified in SENDS:
        of, _, name = qualified.partition(".")
        classes = [
            node for node in ast.walk(ast.parse((PACKAGE / module).read_text())) if isinstance(node, ast.ClassDef)
        ]
        assert any(each.name == of and name in {f.name for f in tree.functions(each)} for each in classes), qualified


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (["cli/main.py:main", "server.py:run", "api/app.py:App.hot", "node/replica.py:Replica.store"], REPLICA),
        (["server.py:run", "api/app.py:App.hot", f"{Path(ast.__file__)}:parse"], HTTP),
        (["server.py:run", "/v/site-packages/aiohttp/web.py:handle", "/usr/lib/python3.11/json/x.py:f"], HTTP),
        (["server.py:run", "/usr/lib/python3.11/asyncio/runners.py:Runner.run"], LOOP),
        (["api/answer.py:Outbox._end_turn", "api/answer.py:Outbox.flush"], LOOP),
        (["api/answer.py:Outbox.flush", "api/answer.py:Outbox.put"], HTTP),
        (["/usr/lib/python3.11/asyncio/runners.py:Runner.run", "storage/log_engine.py:LogStorage.read"], STORE),
        ([], LOOP),
    ],
)
def test_a_sample_counts_for_the_innermost_room(frames: list[str], expected: str):
    """What says nothing itself, as the standard library, is its caller's; what sends is the kernel's."""
    assert room(stack(*frames)) == expected


def test_the_longest_row_wins():
    assert of_module("node/replica.py") == REPLICA
    assert of_module("node/node.py") != REPLICA


def test_a_file_elsewhere_says_nothing():
    assert of_file("/elsewhere/tests/profile/sampled.py") == ""
    assert of_file("/v/site-packages/uvloop/loop.py") == ""
