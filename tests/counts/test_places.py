import json

import aiohttp
import pytest

from tests.counts.places import ROOT, place


@pytest.mark.parametrize(
    ("file", "module"),
    [
        (f"{ROOT}/dynamo/node/replica.py", "node/replica.py"),
        (f"{ROOT}/dynamo/server.py", "server.py"),
        (f"{ROOT}/dynamo/workload/connection.py", ""),
        (f"{ROOT}/dynamo/simulation/world.py", ""),
        (f"{ROOT}/tests/counts/wires.py", ""),
        (aiohttp.__file__, "aiohttp"),
        (json.__file__, "json"),
        (json.__file__.replace("json", "asyncio"), ""),
        ("<string>", ""),
    ],
)
def test_a_file_has_its_place(file: str, module: str):
    """The store by its modules, libraries by name; neither client nor loop nor tests."""
    assert place(file) == module
