import asyncio

import pytest

from dynamo.workload.arrivals import Phase
from dynamo.workload.generator import Load, generate, operation
from dynamo.workload.processes import ServerFailed, free_ports
from tests.unit.workload.servers import good, serving


def load(port: int, **changed: object) -> Load:
    asked = {
        "verb": "get",
        "quorum": 2,
        "bucket": "b",
        "endpoints": [("127.0.0.1", port)],
        "connections": 4,
        "timeout_ms": 500,
        "keys": 10,
        "value_bytes": 4,
        "seed": 1,
    }
    return Load(**(asked | changed))  # type: ignore[arg-type]


async def test_two_processes_make_one_load():
    """Their counts are one count, and they walk different keys."""
    asked: set[bytes] = set()
    values = {key.encode(): value for key, value in zip(*_keys(), strict=True)}

    def answer(request: bytes) -> bytes:
        key = request.split(b"?")[0].rpartition(b"/")[2]
        asked.add(key)
        return good(values[key])

    async with serving(answer) as (_, port):
        phases = [Phase(name="a", rate=100, seconds=0.4)]
        tally = await asyncio.to_thread(generate, load(port), phases, [None, None])
    (phase,) = tally.phases
    assert (phase.good, phase.offered, phase.first_failure) == (40, 40, "")
    assert phase.phase.rate == 100
    assert phase.client_s > 0
    assert asked == set(values)


def test_a_generator_that_cannot_connect_fails_the_run():
    """Nobody is there; no figure is made of that."""
    with pytest.raises(ServerFailed, match="did not start"):
        generate(load(free_ports(1)[0]), [Phase(name="a", rate=10, seconds=0.1)], [None])


def test_the_node_is_told_the_timeout():
    """Both verbs ask for their quorum and say how long it may take."""
    assert operation(load(1)).request(0).startswith(b"GET /v1/kv/b/key-00000000?r=2&timeout=500ms HTTP/1.1\r\n")
    assert operation(load(1, verb="put")).request(0).startswith(b"PUT /v1/kv/b/key-00000000?w=2&timeout=500ms HTTP/1.1")
    mixed = operation(load(1, verb="mixed", registers="r"))
    asked = {mixed.request(0).split(b" HTTP")[0] for _ in range(200)}
    assert asked == {
        b"GET /v1/kv/b/key-00000000?r=2&timeout=500ms",
        b"PUT /v1/kv/b/key-00000000?w=2&timeout=500ms",
        b"DELETE /v1/kv/b/key-00000000?w=2&timeout=500ms",
        b"POST /v1/cas/r/key-00000000?timeout=500ms",
    }


def _keys() -> tuple[list[str], list[bytes]]:
    keys = operation(load(1)).keys
    return keys.keys, keys.values
