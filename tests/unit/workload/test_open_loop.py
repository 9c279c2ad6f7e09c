"""Against small servers of the tests' own, in the same process: the loop itself runs in a thread."""

import asyncio
import itertools
import socket
import time

from dynamo.workload.arrivals import Phase
from dynamo.workload.keys import KeySpace, RoutedKeys
from dynamo.workload.open_loop import OpenLoop
from dynamo.workload.operations import Fixed, Get
from dynamo.workload.tally import Tally
from dynamo.workload.wire import HTTP, Wire
from tests.streams import serving_streams
from tests.unit.workload.servers import good, serving

KEYS = KeySpace(1, 10, 4)
PLENTY = 100
"""Connections, more than arrivals: none is unsent because the machine was slow to answer the ones before."""
SHED = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


async def run(
    endpoint: tuple[str, int], *phases: Phase, connections: int = PLENTY, timeout_s: float = 30.0, body: bytes = b"hi"
) -> Tally:
    loop = OpenLoop(Fixed(KEYS, "/", body), itertools.cycle(range(10)), [endpoint], connections)
    return await asyncio.to_thread(loop.run, phases, timeout_s)


async def test_every_arrival_is_answered_at_its_rate():
    """As many as were due went out and came back, spread over the time and not in a rush."""
    times: list[float] = []

    def answer(request: bytes) -> bytes:
        times.append(time.monotonic())
        return good(b"hi")

    async with serving(answer) as endpoint:
        tally = await run(endpoint, Phase(name="a", rate=100, seconds=0.5), Phase(name="b", rate=40, seconds=0.5))
    first, second = tally.phases
    assert (first.good, second.good) == (50, 20)
    assert (first.offered, second.offered) == (50, 20)
    assert times[-1] - times[0] > 0.9
    assert sum(each.good for each in tally.bins) == 70
    assert 0 < first.good_ms(50) <= first.good_ms(99)


async def test_each_connection_says_farewell():
    """Once, at the end, where the protocol has such words."""
    left = []
    all_left = asyncio.Event()

    def answer(request: bytes) -> bytes:
        if request != b"BYE\r\n\r\n":
            return good(b"hi")
        left.append(request)
        if len(left) == 4:
            all_left.set()
        return b""

    async with serving(answer) as endpoint:
        wire = HTTP._replace(farewell=b"BYE\r\n\r\n")
        loop = OpenLoop(Fixed(KEYS, "/", b"hi"), itertools.cycle(range(10)), [endpoint], 4, wire)
        tally = await asyncio.to_thread(loop.run, [Phase(name="a", rate=50, seconds=0.2)], 30.0)
        await asyncio.wait_for(all_left.wait(), 5)
    assert (tally.phases[0].failed, len(left)) == (0, 4)


async def test_a_refusal_is_counted_as_one():
    """503 is neither good nor a fault, and has a latency of its own."""
    async with serving(lambda _: SHED) as endpoint:
        (phase,) = (await run(endpoint, Phase(name="a", rate=50, seconds=0.4))).phases
    assert (phase.shed, phase.good, phase.failed, phase.offered) == (20, 0, 0, 20)
    assert phase.shed_ms(50) > 0
    assert phase.good_ms(50) == 0


async def test_a_wrong_answer_is_a_failure():
    """With what was wrong."""
    async with serving(lambda _: good(b"no")) as endpoint:
        (phase,) = (await run(endpoint, Phase(name="a", rate=50, seconds=0.2))).phases
    assert (phase.failed, phase.offered) == (10, 10)
    assert "status 200" in phase.first_failure


async def test_a_server_that_does_not_answer_cannot_hold_up_the_run():
    """What was sent is late, what found no connection is unsent, nothing is missing, and the run ends by its time."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with serving_streams(serve) as endpoint:
        began = time.monotonic()
        (phase,) = (await run(endpoint, Phase(name="a", rate=100, seconds=0.4), connections=3, timeout_s=0.1)).phases
        took_s = time.monotonic() - began
    assert (phase.late, phase.unsent, phase.good) == (3, 37, 0)
    assert took_s < 5


async def test_response_time_counts_from_the_intended_start():
    """A generator that is held up sends late, and says so: what it took to send counts as waiting."""

    class Slow(Fixed):
        def request(self, position: int) -> bytes:
            time.sleep(0.03)  # the client's own slowness, which is what is tested
            return super().request(position)

    async with serving(lambda _: good(b"hi")) as endpoint:
        loop = OpenLoop(Slow(KEYS, "/", b"hi"), itertools.cycle(range(10)), [endpoint], 20)
        tally = await asyncio.to_thread(loop.run, [Phase(name="a", rate=100, seconds=0.1)], 5.0)
    (phase,) = tally.phases
    assert phase.good == 10
    assert phase.good_ms(50) > 80, "the fifth was sent when four others had taken their time"


async def test_a_generator_too_slow_for_its_rate_ends_in_time_all_the_same():
    """What it could not send while it made sense is unsent."""

    class Slow(Fixed):
        def request(self, position: int) -> bytes:
            time.sleep(0.05)  # as above
            return super().request(position)

    async with serving(lambda _: good(b"hi")) as endpoint:
        loop = OpenLoop(Slow(KEYS, "/", b"hi"), itertools.cycle(range(10)), [endpoint], 50)
        began = time.monotonic()
        tally = await asyncio.to_thread(loop.run, [Phase(name="a", rate=1000, seconds=0.3)], 0.1)
    (phase,) = tally.phases
    assert phase.offered == 300
    assert phase.unsent > 200
    assert time.monotonic() - began < 5


async def test_a_connection_that_ends_is_replaced():
    """Its request has failed; the next one goes out on another connection. Only one at a time: it may be busy."""
    asked: list[bytes] = []

    def answer(request: bytes) -> bytes:
        asked.append(request)
        return b"" if len(asked) == 3 else good(b"hi")

    async with serving(answer) as endpoint:
        (phase,) = (await run(endpoint, Phase(name="a", rate=50, seconds=0.4), connections=1)).phases
    assert (phase.failed, phase.good + phase.unsent) == (1, 19)
    assert phase.good == len(asked) - 1 > 2
    assert phase.first_failure == "the server closed the connection"


async def test_an_answer_in_pieces_and_a_closing_one():
    """Pieces are put together; after Connection: close comes another connection, and no request is lost."""
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\nConnection: close\r\n\r\n" + bytes(60_000)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in (whole[:30], whole[30:50_000], whole[50_000:]):
            writer.write(piece)
            await writer.drain()
        writer.close()

    async with serving_streams(serve) as endpoint:
        (phase,) = (
            await run(
                endpoint,
                Phase(name="a", rate=20, seconds=0.3),
                body=bytes(60_000),
                connections=1,
            )
        ).phases
    assert (phase.good + phase.unsent, phase.failed) == (6, 0)
    assert phase.good > 1


async def test_routed_keys_are_asked_for_at_their_endpoint():
    """A connection to one node carries no request for another's key; what has none there is unsent."""
    asked: dict[int, set[bytes]] = {0: set(), 1: set()}
    keys = RoutedKeys(KEYS, [position % 2 for position in range(10)], 2)

    def answer(place: int, request: bytes) -> bytes:
        asked[place].add(request.split(b"?")[0].rpartition(b"/")[2])
        return good(b"hi")

    async with serving(lambda r: answer(0, r)) as first, serving(lambda r: answer(1, r)) as second:
        loop = OpenLoop(Get(keys, "b", 1), itertools.cycle(keys.walk()), [first, second], PLENTY, fine=True)
        tally = await asyncio.to_thread(loop.run, [Phase(name="a", rate=100, seconds=0.3)], 30.0)
    assert tally.phases[0].offered == 30
    assert tally.phases[0].unsent == 0
    for place in (0, 1):
        assert asked[place] == {f"key-{position:08d}".encode() for position in range(place, 10, 2)}


async def test_another_protocol_is_greeted_and_read_as_it_is():
    """The greeting is over before the first request, and answers end where that protocol says."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(1) == b"?"
        writer.write(b"!")
        while await reader.readexactly(1):
            writer.write(b"x")

    def greet(made: socket.socket) -> None:
        made.sendall(b"?")
        assert made.recv(1) == b"!"

    class Letter(Fixed):
        def request(self, position: int) -> bytes:
            return b"a"

    wire = Wire(lambda data: (200, b"", data), greet)
    async with serving_streams(serve) as endpoint:
        made = await asyncio.to_thread(
            OpenLoop, Letter(KEYS, "/", b"x"), itertools.cycle(range(10)), [endpoint], 3, wire
        )
        (phase,) = (await asyncio.to_thread(made.run, [Phase(name="a", rate=50, seconds=0.2)], 30.0)).phases
    assert (phase.good, phase.failed) == (10, 0)
