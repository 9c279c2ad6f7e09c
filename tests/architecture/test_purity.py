"""A pure room decides and touches nothing: no async, no clock, no randomness, no IO, no threads.

The library is allowed by name, not refused by name, so that an impure module nobody thought of is refused as well.
Rooms that run on the ports (node, daemons) may be async, but the clock, the dice and the world stay behind the ports.
"""

import ast
import sys

import pytest

from tests.architecture import tree
from tests.architecture.imports import imports
from tests.architecture.rooms import ROOMS
from tests.architecture.tree import Source

PURE_LIBRARY = frozenset(
    """__future__ abc array base64 binascii bisect cmath collections copy dataclasses decimal difflib email enum
    fractions functools hashlib heapq html inspect ipaddress itertools json keyword math numbers operator re reprlib
    statistics string struct textwrap types typing unicodedata warnings weakref zlib""".split()
)
# What a room on the ports may use besides: scheduling on the loop it is given, and log events.
PORTED_LIBRARY = PURE_LIBRARY | {"asyncio", "contextlib", "contextvars", "logging", "sys", "traceback"}
PORTED = frozenset({"node", "daemons"})

IMPURE_CALLS = frozenset({"open", "input", "print", "exec", "eval", "compile", "__import__", "breakpoint", "id"})
PROCESS_HASH = "hash"  # differs from process to process for text and bytes; fine inside __hash__
IMPURE_ATTRIBUTES = frozenset(
    """time.time time.monotonic time.perf_counter time.sleep datetime.now datetime.utcnow datetime.today date.today
    asyncio.to_thread asyncio.open_connection asyncio.start_server asyncio.open_unix_connection
    asyncio.start_unix_server asyncio.create_subprocess_exec asyncio.create_subprocess_shell
    asyncio.run asyncio.Runner asyncio.sleep""".split()
)
IMPURE_METHODS = frozenset(
    """run_in_executor create_connection create_server create_datagram_endpoint create_unix_connection
    create_unix_server subprocess_exec subprocess_shell add_signal_handler add_reader add_writer sock_recv
    sock_sendall""".split()
)
ASYNC = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)


def held_pure(source: Source) -> bool:
    """Rooms that the table calls pure, and any room beside the layers that says so of itself."""
    if source.room not in ROOMS:
        return False
    opening = source.root / tree.PACKAGE / source.room / "__init__.py"
    claims = opening.is_file() and "(pure)" in (ast.get_docstring(Source(source.root, opening).tree) or "")
    return ROOMS[source.room].pure or (ROOMS[source.room].layer is None and claims)


def impurities(source: Source) -> list[str]:
    """What this file does that its room must not; nothing for rooms above layer 5."""
    if held_pure(source):
        return _strange_imports(source, PURE_LIBRARY) + _impure_use(source) + _async_use(source)
    if source.room in PORTED:
        return _strange_imports(source, PORTED_LIBRARY) + _impure_use(source)
    return []


def _strange_imports(source: Source, library: frozenset[str]) -> list[str]:
    return [
        source.at(each.node, f"{source.room} may not import {each.module} (see tests/architecture/test_purity.py)")
        for each in imports(source)
        if each.top in sys.stdlib_module_names and each.top not in library
    ]


def _async_use(source: Source) -> list[str]:
    return [source.at(node, "async in a pure room") for node in ast.walk(source.tree) if isinstance(node, ASYNC)]


def _impure_use(source: Source) -> list[str]:
    hashing = {
        id(call)
        for function in tree.functions(source.tree)
        if function.name == "__hash__"
        for call in ast.walk(function)
    }
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute):
            dotted = f"{_last_name(node.value)}.{node.attr}"
            if dotted in IMPURE_ATTRIBUTES or node.attr in IMPURE_METHODS:
                found.append(source.at(node, f"{dotted} belongs behind a port"))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            name = node.func.id
            if name in IMPURE_CALLS or (name == PROCESS_HASH and id(node) not in hashing):
                found.append(source.at(node, f"{name}() is not pure"))
    return found


def _last_name(node: ast.expr) -> str:
    """`datetime` of both `datetime.now` and `datetime.datetime.now`."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def test_pure_rooms_are_pure():
    """Layers 1-3 decide only; layers 4-5 reach the world through the ports only."""
    assert [finding for source in tree.product(tree.ROOT) for finding in impurities(source)] == []


@pytest.mark.parametrize(
    "code",
    [
        "import time",
        "from random import Random",
        "import secrets",
        "import os.path",
        "from socket import socket",
        "import threading",
        "def f():\n    import asyncio",
        "from pathlib import Path",
        "from concurrent.futures import Future",
        "async def f(): pass",
        "def f(clock): return clock.time.monotonic()",
        "import datetime\ndatetime.datetime.now()",
        "def f(): return open('x')",
        "def f(key): return hash(key)",
        "def f(loop, job): return loop.run_in_executor(None, job)",
    ],
)
def test_an_impurity_is_caught(plant, code: str):
    """Each way to touch the world from a pure room is found."""
    root = plant({"dynamo/ring/token.py": code})
    assert impurities(Source(root, root / "dynamo/ring/token.py"))


@pytest.mark.parametrize("code", ["import time", "import random", "import asyncio\nasyncio.sleep(1)"])
def test_a_daemon_keeps_to_its_ports(plant, code: str):
    """Rooms on the ports may be async, yet own no clock and no dice."""
    root = plant({"dynamo/daemons/reaper.py": f"async def f(): ...\n{code}\n"})
    assert len(impurities(Source(root, root / "dynamo/daemons/reaper.py"))) == 1


def test_a_room_that_calls_itself_pure_is_held_to_it(plant):
    """The checker has no layer, but its docstring is a promise."""
    root = plant(
        {"dynamo/checker/__init__.py": '"""Beside (pure). Was it legal."""', "dynamo/checker/a.py": "import os"}
    )
    assert len(impurities(Source(root, root / "dynamo/checker/a.py"))) == 1


def test_a_hash_method_may_hash(plant):
    """Inside __hash__ the value never leaves the process."""
    code = "import re\nclass A:\n    def __hash__(self): return hash(self.x)\n"
    root = plant({"dynamo/ring/token.py": code})
    assert impurities(Source(root, root / "dynamo/ring/token.py")) == []
