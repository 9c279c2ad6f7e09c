import asyncio
import itertools
import os
import time
from collections import Counter

import msgspec
import pytest

from dynamo.workload import runner
from dynamo.workload.cpu import Meter
from dynamo.workload.keys import KeySpace
from dynamo.workload.operations import Fixed, Get
from dynamo.workload.runner import Pace, measure, once
from dynamo.workload.wire import HTTP
from tests.unit.workload.servers import good, serving

KEYS = KeySpace(1, 12, 8)
FAREWELL = b"BYE\r\n\r\n"
PACE = Pace(connections=3, seconds=0.3, warm_up_s=0.05)


class Slow(Fixed):
    """The client itself takes a while to make each request: the server waits for it."""

    def request(self, position: int) -> bytes:
        deadline = time.perf_counter() + 0.002
        while time.perf_counter() < deadline:
            pass
        return super().request(position)


async def test_a_measurement_counts_what_came_back():
    """Rate times time is the number of requests; each connection is asked again as soon as it answered."""
    seen = Counter()

    def answer(request: bytes) -> bytes:
        seen[request] += 1
        return good(b"hi")

    async with serving(answer) as endpoint:
        sample = await measure(Fixed(KEYS, "/", b"hi"), [endpoint], PACE, Meter([os.getpid()]))
    assert sample.faults == 0
    assert 0.3 <= sample.seconds < 2
    assert sample.rate == pytest.approx(sample.requests / sample.seconds)
    # What was answered during the warm-up or after the end is in the server's count only.
    assert 50 < sample.requests < seen.total()
    assert 0 < sample.p50_ms <= sample.p99_ms <= sample.max_ms


async def test_each_connection_says_farewell():
    """Once, after its last request, where the protocol has such words."""
    seen = []
    all_left = asyncio.Event()

    def answer(request: bytes) -> bytes:
        seen.append(request)
        if seen.count(FAREWELL) == 3:
            all_left.set()
        return b"" if request == FAREWELL else good(b"hi")

    wire = HTTP._replace(farewell=FAREWELL)
    async with serving(answer) as endpoint:
        sample = await measure(Fixed(KEYS, "/", b"hi"), [endpoint], PACE, Meter([]), wire)
        await asyncio.wait_for(all_left.wait(), 5)
    assert sample.faults == 0
    assert seen[-3:] == [FAREWELL] * 3


async def test_connections_are_spread_and_keys_walked_round():
    """Two endpoints share three connections; every key is asked for, its connection's round after round."""
    asked: dict[int, Counter[bytes]] = {0: Counter(), 1: Counter()}

    def answer(place: int, request: bytes) -> bytes:
        key = request.split(b"?")[0].rpartition(b"/")[2]
        asked[place][key] += 1
        return good(KEYS.values[KEYS.keys.index(key.decode())])

    async with serving(lambda r: answer(0, r)) as first, serving(lambda r: answer(1, r)) as second:
        sample = await measure(Get(KEYS, "bench", 1), [first, second], PACE, Meter([]))
    assert (sample.faults, sample.first_fault) == (0, "")
    assert sorted(key.decode() for key in asked[0] | asked[1]) == KEYS.keys
    # Shares of four keys each: connections 1 and 3 at the first endpoint, 2 at the second, and no key at both.
    assert (len(asked[0]), len(asked[1])) == (8, 4)
    for share in KEYS.shares(3):
        counts = [(asked[0] | asked[1])[KEYS.keys[position].encode()] for position in share]
        assert max(counts) - min(counts) <= 1


async def test_latency_is_taken_at_the_socket():
    """What the client spends on making a request is not latency of the server."""
    async with serving(lambda _: good(b"hi")) as endpoint:
        pace = Pace(connections=1, seconds=0.3, warm_up_s=0.0)
        sample = await measure(Slow(KEYS, "/", b"hi"), [endpoint], pace, Meter([]))
    assert sample.faults == 0
    assert sample.requests > 10
    assert sample.p50_ms < 2


async def test_wrong_answers_are_faults_and_no_answers():
    """They do not make a system look fast."""
    async with serving(lambda _: good(b"ha")) as endpoint:
        sample = await measure(Fixed(KEYS, "/", b"hi"), [endpoint], PACE, Meter([]))
    assert sample.requests == 0
    assert sample.rate == 0.0
    assert sample.faults > 10
    assert sample.first_fault == "status 200: ha"


async def test_a_lost_connection_is_a_fault_and_ends_its_loop():
    """The run comes to its end, and says what happened."""
    async with serving(lambda _: b"") as endpoint:
        started = time.monotonic()
        sample = await measure(Fixed(KEYS, "/", b"hi"), [endpoint], PACE, Meter([]))
    assert sample.faults == 3
    assert "closed the connection" in sample.first_fault
    assert time.monotonic() - started < 5


async def test_a_server_that_falls_silent_ends_the_run(monkeypatch):
    """After a bounded time, as a fault."""
    monkeypatch.setattr(runner, "ANSWER_TIMEOUT_S", 0.1)
    async with serving(lambda _: b"HTTP/1.1 200 OK\r\n") as endpoint:
        sample = await measure(Fixed(KEYS, "/", b"hi"), [endpoint], PACE, Meter([]))
        filled = await once(Fixed(KEYS, "/", b"hi"), [endpoint], 3)
    assert (sample.requests, sample.faults, sample.first_fault) == (0, 1, "no answer within 0.1 s")
    assert (filled.faults, filled.first_fault) == (1, "no answer within 0.1 s")


async def test_once_asks_for_every_key_once():
    """Neither a key left out, nor one asked for twice."""
    seen = Counter()

    def answer(request: bytes) -> bytes:
        key = request.split(b"?")[0].rpartition(b"/")[2].decode()
        seen[key] += 1
        return good(KEYS.values[KEYS.keys.index(key)])

    async with serving(answer) as endpoint:
        recorder = await once(Get(KEYS, "bench", 1), [endpoint], 5)
    assert seen == Counter(KEYS.keys)
    assert (recorder.histogram.count, recorder.faults) == (len(KEYS), 0)


async def test_a_refusal_is_counted_where_it_may_be():
    """Each second answer is 503: no fault for who asks more than a system takes at once, and one for all others."""
    turns = itertools.count()

    def answer(_: bytes) -> bytes:
        return good(b"hi") if next(turns) % 2 else b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"

    async with serving(answer) as endpoint:
        pace = msgspec.structs.replace(PACE, refusals=True)
        allowed = await measure(Fixed(KEYS, "/", b"hi"), [endpoint], pace, Meter([]))
        strict = await measure(Fixed(KEYS, "/", b"hi"), [endpoint], PACE, Meter([]))
    assert allowed.faults == 0
    assert abs(allowed.refused - allowed.requests) <= 2 * PACE.connections
    assert (strict.refused, strict.first_fault) == (0, "status 503: ")
