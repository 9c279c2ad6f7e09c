import asyncio
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dynamo.protocol.codec import (
    LENGTH_BYTES,
    MAGIC,
    Envelope,
    Hello,
    decode_welcome,
    encode_frame,
    encode_greeting,
)
from dynamo.protocol.messages import Fetch, Fetched, Ping, Pong, Stored
from dynamo.transport import listener as room
from tests.unit.transport.wire import QUICK, SMALL, Inbox, ask, echo, until

HTTP = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
TLS = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


# Strangers.


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cluster": "other"}, "this is cluster 'cluster'"),
        ({"node": "node9"}, "not a member"),
        ({"node": "node1"}, "my own id"),
        ({"protocol_min": 2, "protocol_max": 9}, "no protocol in common"),
    ],
)
async def test_who_does_not_belong_is_told_why_and_turned_away(cluster, events, changes: dict[str, object], words: str):
    """One Welcome with a refusal, one line in the log, one count; nothing it sent is handed on."""
    inbox = Inbox(echo)
    listener = await cluster.listener(inbox)
    peer = await cluster.raw(listener.port)
    welcome = await peer.greet(**{"node": "node2", **changes})
    assert words in welcome.refusal
    peer.say(ask(1))
    assert await peer.is_closed()
    assert inbox.messages == []
    statistics = listener.statistics()
    assert (statistics.handshakes_refused, statistics.handshakes_bad, statistics.peers) == (1, 0, {})
    (line,) = [line for line in events() if "refused" in line]
    assert words in line


async def test_requests_with_the_greeting_do_not_pass_a_refusal(cluster):
    """What follows in the same packet is not looked at."""
    inbox = Inbox(echo)
    listener = await cluster.listener(inbox)
    peer = await cluster.raw(listener.port)
    foreign = Hello(MAGIC, 1, 1, "other", "node2", "00000002", 1)
    peer.write(encode_greeting(foreign) + encode_frame([ask(1)]))
    assert "not 'other'" in decode_welcome(await peer.body()).refusal
    assert await peer.is_closed()
    assert inbox.messages == []


@pytest.mark.parametrize(
    "data",
    [
        HTTP,
        TLS,
        b"\x00\x00\x00\x02\xff\xff",
        encode_frame([ask(1)]),
        encode_frame([]),
        b"\x00\x00\x00\x00",
        b"\x00\x00\x00\x0d\x97\xa6dynamo\x01\x01\xa0\xa0\xa0\x01",  # another magic
        b"\x00\x00\x00\x05\xdd\xff\xff\xff\xff",  # an array of four billion elements
    ],
)
async def test_what_is_no_greeting_ends_the_connection(cluster, events, data: bytes):
    """Without an answer: one line in the log, no traceback, one count."""
    inbox = Inbox()
    listener = await cluster.listener(inbox)
    peer = await cluster.raw(listener.port)
    peer.write(data)
    assert await peer.is_closed()
    (line,) = events()
    assert line.startswith("warning peer connection dropped address=127.0.0.1:")
    assert (listener.statistics().handshakes_bad, listener.statistics().peers) == (1, {})
    await until(lambda: listener.statistics().connections_unidentified == 0)


async def test_a_greeting_is_small(cluster, events):
    """A stranger cannot make this node hold a large frame, whatever the limit for members is."""
    listener = await cluster.listener(Inbox())
    peer = await cluster.raw(listener.port)
    peer.write((4097).to_bytes(LENGTH_BYTES, "big"))
    assert await peer.is_closed()
    (line,) = events()
    assert "reason=frame over the limit detail=4097 bytes where 4096 are allowed" in line


@pytest.mark.parametrize("data", [b"", b"\x00\x00\x08", b"\x00\x00\x08\x00\x97"])
async def test_a_slow_greeting_runs_out_of_time(cluster, events, data: bytes):
    """Bytes that trickle in do not lengthen it."""
    listener = await cluster.listener(Inbox(), timings=QUICK)
    peer = await cluster.raw(listener.port)
    opened_at = time.monotonic()
    closed = asyncio.ensure_future(peer.is_closed())
    peer.write(data)
    while not closed.done() and data:
        peer.write(b"x")
        await asyncio.sleep(0.05)
    assert await closed
    assert QUICK.handshake_s * 0.9 <= time.monotonic() - opened_at < QUICK.handshake_s + 2
    assert listener.statistics().handshakes_bad == 1
    assert any("handshake took too long" in line for line in events())


async def test_only_so_many_strangers_wait_at_a_time(cluster, monkeypatch):
    """One more is closed at once; a member that is through does not count."""
    monkeypatch.setattr(room, "STRANGERS_MAX", 3)
    listener = await cluster.listener(Inbox(echo))
    member = await cluster.raw(listener.port)
    await member.greet()
    strangers = [await cluster.raw(listener.port) for _ in range(3)]
    await until(lambda: listener.statistics().connections_unidentified == 3)
    assert await (await cluster.raw(listener.port)).is_closed()
    member.say(ask(1))
    assert [answer.exchange for answer in await member.envelopes()] == [1]
    await strangers[0].greet("node3")
    last = await cluster.raw(listener.port)
    await until(lambda: listener.statistics().connections_unidentified == 3)
    assert not last._reader.at_eof()


# Members that misbehave.


@pytest.mark.parametrize(
    "data",
    [
        (SMALL.peer_frame_bytes_max + 1).to_bytes(LENGTH_BYTES, "big"),
        b"\x00\x00\x00\x03abc",
        b"\x00\x00\x00\x09\x91\x96\x01\xc2\x01\x01\xa0\x91\x63",  # a message with tag 99
        b"\x00\x00\x00\x0a\x91\x96\x01\xc2\x01\x01\xa1\xff\x91\x01",  # a trace that is no text
        encode_frame([Envelope(1, True, 1, 0, "", Stored())]),  # an answer to nothing
    ],
    ids=["oversize", "garbage", "unknown tag", "bad text", "answer"],
)
async def test_a_bad_frame_ends_the_connection(cluster, events, data: bytes):
    """One line in the log, no traceback, one count; another connection is welcome."""
    inbox = Inbox(echo)
    listener = await cluster.listener(inbox, limits=SMALL)
    peer = await cluster.raw(listener.port)
    await peer.greet()
    peer.say(ask(1))
    await peer.envelopes()
    peer.write(data + encode_frame([ask(2)]))
    assert await peer.is_closed()
    assert inbox.messages == [Fetch("b", b"1")]
    dropped = [line for line in events() if "dropped" in line]
    assert len(dropped) == 1
    assert dropped[0].startswith("warning peer connection dropped address=127.0.0.1:")
    assert listener.statistics().peers["node2"].frames_bad == 1
    again = await cluster.raw(listener.port)
    assert (await again.greet()).refusal == ""


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.booleans(), st.binary(min_size=1, max_size=200), st.booleans())
async def test_no_bytes_bring_the_listener_down(cluster, greeted: bool, data: bytes, framed: bool):
    """Raw or as a frame's body, before the handshake or after it: the connection may end, the listener goes on."""
    problems = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    listener = await cluster.listener(Inbox(lambda _: Stored()))
    peer = await cluster.raw(listener.port)
    if greeted:
        await peer.greet()
    peer.write(len(data).to_bytes(LENGTH_BYTES, "big") + data if framed else data)
    good = await cluster.raw(listener.port)
    assert (await good.greet("node3")).refusal == ""
    good.say(ask(1, Ping()))
    assert [answer.message for answer in await good.envelopes()] == [Pong()]
    await cluster.stop()
    cluster._stops.clear()
    assert problems == []


async def test_frames_may_come_in_any_pieces(cluster):
    """Byte by byte, or many in one packet."""
    inbox = Inbox(echo)
    listener = await cluster.listener(inbox)
    peer = await cluster.raw(listener.port)
    await peer.greet()
    for byte in encode_frame([ask(1)]):
        peer.write(bytes([byte]))
        await asyncio.sleep(0)
    peer.write(encode_frame([ask(2)]) + encode_frame([ask(3), ask(4)]) + encode_frame([]))
    await until(lambda: len(inbox.messages) == 4)
    assert [message.key for message in inbox.messages] == [b"1", b"2", b"3", b"4"]


async def test_a_node_that_connects_again_replaces_its_old_connection(cluster, events):
    """Which is dead, or about to be; answers to what came on it go nowhere."""
    inbox = Inbox()
    listener = await cluster.listener(inbox)
    old = await cluster.raw(listener.port)
    await old.greet()
    old.say(ask(1))
    await until(lambda: inbox.messages)
    new = await cluster.raw(listener.port)
    await new.greet()
    assert await old.is_closed()
    assert any("warning peer connection replaced peer=node2" in line for line in events())
    inbox.responds[0](Stored())
    new.say(ask(9, Ping()))
    assert [answer.exchange for answer in await new.envelopes()] == [9]
    statistics = listener.statistics()
    assert (statistics.peers["node2"].connects, statistics.peers["node2"].is_up) == (2, True)
    assert statistics.connections_unidentified == 0


async def test_who_takes_no_answers_is_not_read_from(cluster):
    """Requests stay in the kernel, so the answers that wait are bounded; once it reads again, all is answered."""
    inbox = Inbox(lambda _: Fetched(bytes(100_000)))
    listener = await cluster.listener(inbox)
    peer = await cluster.raw(listener.port)
    await peer.greet()
    peer.stop_reading()
    for number in range(400):
        peer.say(ask(number))
        await asyncio.sleep(0)
    taken = -1
    while taken != len(inbox.messages):
        taken = len(inbox.messages)
        await asyncio.sleep(0.1)
    assert 0 < taken < 400
    peer._writer.transport.resume_reading()
    exchanges = []
    while len(exchanges) < 400:
        exchanges += [answer.exchange for answer in await peer.envelopes()]
    assert exchanges == list(range(400))


async def test_who_lets_answers_pile_up_is_dropped(cluster, events):
    """A frame of requests may ask for more than it is willing to take."""
    listener = await cluster.listener(Inbox(lambda _: Fetched(bytes(200_000))), limits=SMALL)
    peer = await cluster.raw(listener.port)
    await peer.greet()
    peer.stop_reading()
    peer.say(*[ask(number) for number in range(200)])
    await until(lambda: not listener.statistics().peers["node2"].is_up)
    assert any("answers are not taken" in line for line in events())


async def test_a_silent_connection_is_given_up(cluster, events):
    """An opener that lives asks at least once a second; one whose machine lost power never says goodbye."""
    listener = await cluster.listener(Inbox(echo), timings=QUICK)
    silent, alive = await cluster.raw(listener.port), await cluster.raw(listener.port)
    await silent.greet("node2")
    await alive.greet("node3")
    closed = asyncio.ensure_future(silent.is_closed())
    while not closed.done():
        alive.say(ask(1, Ping()))
        await alive.envelopes()
        await asyncio.sleep(0.02)
    assert any("peer silent peer=node2" in line for line in events())
    assert listener.statistics().peers["node3"].is_up


async def test_a_process_that_was_stopped_blames_nobody(cluster):
    """Time that this node did not run is not silence of its peers."""
    ahead = [0.0]
    listener = await cluster.listener(Inbox(echo), timings=QUICK, monotonic=lambda: time.monotonic() + ahead[0])
    peer = await cluster.raw(listener.port)
    await peer.greet()
    for _ in range(3):
        swept_at = listener._swept_at
        ahead[0] += 3600
        await until(lambda swept_at=swept_at: listener._swept_at != swept_at)
        peer.say(ask(1, Ping()))
        assert [answer.message for answer in await peer.envelopes()] == [Pong()]
