import asyncio
import time

import msgspec
import pytest

from dynamo.errors import Applied, Internal, Overloaded, StorageFull
from dynamo.protocol.codec import (
    LENGTH_BYTES,
    Envelope,
    encode_frame,
    refusal,
    refused_error,
)
from dynamo.protocol.commands import WriteCommand
from dynamo.protocol.messages import Fetch, Fetched, Forward, Ping, Pong, Refused, Store, Stored
from dynamo.telemetry.stall import Stall
from dynamo.transport import listener as room
from tests.unit.transport.wire import QUICK, SMALL, Inbox, RawPeer, Receiver, ask, echo, introduction, until


async def test_a_request_comes_with_all_it_brought(cluster):
    """Sender, epoch, message, trace; and what was left of its time, on this node's clock."""
    inbox = Inbox()
    calls = []
    listener = await cluster.listener(lambda *request: (calls.append(request[:2]), inbox(*request)))
    peer = await cluster.raw(listener.port)
    await peer.greet()
    before = time.monotonic()
    peer.say(ask(1, left_ms=1500))
    await until(lambda: inbox.messages)
    assert calls == [("node2", 3)]
    assert (inbox.messages, inbox.traces) == ([Fetch("b", b"1")], ["req-1"])
    assert before + 1.5 <= inbox.deadlines[0] <= time.monotonic() + 1.5


async def test_answers_of_one_tick_leave_in_one_frame(cluster):
    """In the order in which they were given, whatever the order of the requests."""
    inbox = Inbox()
    listener = await cluster.listener(inbox)
    peer = await cluster.raw(listener.port)
    await peer.greet()
    peer.say(*[ask(number) for number in range(100)])
    await until(lambda: len(inbox.messages) == 100)
    for number in reversed(range(100)):
        inbox.responds[number](Fetched(b"%d" % number))
    answers = await peer.envelopes()
    assert [(answer.exchange, answer.message) for answer in answers] == [
        (number, Fetched(b"%d" % number)) for number in reversed(range(100))
    ]
    assert all(answer.is_reply and answer.epoch == 1 for answer in answers)


async def test_the_epoch_in_answers_is_the_present_one(cluster):
    """So that a peer learns of a newer topology from any answer."""
    inbox = Inbox(echo)
    listener = await cluster.listener(inbox)
    peer = await cluster.raw(listener.port)
    await peer.greet()
    listener.me.epoch = 8
    peer.say(ask(1))
    assert [answer.epoch for answer in await peer.envelopes()] == [8]


async def test_a_large_answer_has_a_frame_of_its_own(cluster):
    """The small ones before it do not wait for it, and none is put behind it in the same frame."""
    sizes = [10, 300_000, 10, 10]
    listener = await cluster.listener(Inbox(lambda message: Fetched(bytes(sizes[int(message.key)]))))
    peer = await cluster.raw(listener.port)
    await peer.greet()
    peer.say(*[ask(number) for number in range(4)])
    frames = [[answer.exchange for answer in await peer.envelopes()] for _ in range(3)]
    assert frames == [[0], [1], [2, 3]]


async def test_a_ping_is_answered_without_the_node(cluster):
    """It asks whether this process runs, not whether its store is healthy."""
    inbox = Inbox()
    listener = await cluster.listener(inbox)
    peer = await cluster.raw(listener.port)
    await peer.greet()
    peer.say(ask(7, Ping()))
    assert [(answer.exchange, answer.message) for answer in await peer.envelopes()] == [(7, Pong())]
    assert inbox.messages == []


@pytest.mark.parametrize("left_ms", [0, -1, -(2**40)])
async def test_expired_work_never_starts(cluster, left_ms: int):
    """It is refused, which tells a peer that still listens that nothing happened."""
    inbox = Inbox(echo)
    listener = await cluster.listener(inbox)
    peer = await cluster.raw(listener.port)
    await peer.greet()
    peer.say(ask(1, left_ms=left_ms), ask(2))
    one, two = await peer.envelopes()
    assert isinstance(refused_error(one.message), Overloaded)
    assert two.message == Fetched(b"2")
    assert inbox.messages == [Fetch("b", b"2")]
    assert listener.statistics().peers["node2"].expired == 1


async def test_a_forwarded_write_that_may_have_waited_in_a_stopped_process_never_starts(cluster):
    """Its sender has gone on without it. What only merges is as good late as ever."""
    stall = Stall(2.0)
    stall.beat(time.monotonic() - 60)
    inbox = Inbox(echo)
    listener = await cluster.listener(inbox, stall=stall)
    peer = await cluster.raw(listener.port)
    await peer.greet()
    forward = Forward(WriteCommand(bucket="b", key=b"k", value=b"v", request=b""))
    peer.say(Envelope(1, False, 1, 1000, "", forward), ask(2))
    one, two = await peer.envelopes()
    assert isinstance(refused_error(one.message), Overloaded)
    assert two.message == Fetched(b"2")
    assert inbox.messages == [Fetch("b", b"2")]


async def test_work_that_expires_behind_slow_work_never_starts(cluster):
    """The clock is looked at before each request, not once a frame."""
    now = [100.0]
    started = []

    def slow(peer, epoch, message, deadline, trace, respond):
        started.append(message)
        now[0] += 1.0
        respond(Stored())

    listener = await cluster.listener(slow, monotonic=lambda: now[0])
    peer = await cluster.raw(listener.port)
    await peer.greet()
    peer.say(ask(1, left_ms=500), ask(2, left_ms=500), ask(3, left_ms=2500))
    answers = await peer.envelopes()
    assert [type(answer.message) for answer in answers] == [Stored, Refused, Stored]
    assert started == [Fetch("b", b"1"), Fetch("b", b"3")]


async def test_a_handler_that_fails_refuses_and_is_logged(cluster, events):
    """With the trace; the peer learns neither more nor less than that the outcome is unknown. The rest goes on."""

    def broken(peer, epoch, message, deadline, trace, respond):
        if message.key == b"1":
            raise RuntimeError("secret")
        respond(echo(message))

    listener = await cluster.listener(broken)
    peer = await cluster.raw(listener.port)
    await peer.greet()
    peer.say(ask(1, trace="req-77"), ask(2))
    one, two = await peer.envelopes()
    error = refused_error(one.message)
    assert isinstance(error, Internal)
    assert error.applied is Applied.UNKNOWN
    assert "req-77" in error.detail
    assert "secret" not in error.detail
    assert two.message == Fetched(b"2")
    (line,) = [line for line in events() if line.startswith("error")]
    assert "request handler failed" in line
    assert "peer=node2 kind=Fetch trace=req-77" in line
    assert line.endswith("RuntimeError")
    assert listener.statistics().peers["node2"].handler_failures == 1


async def test_a_handler_that_fails_after_answering_has_answered(cluster):
    """No second answer follows."""

    def broken(peer, epoch, message, deadline, trace, respond):
        respond(Stored())
        raise RuntimeError

    listener = await cluster.listener(broken)
    peer = await cluster.raw(listener.port)
    await peer.greet()
    peer.say(ask(1))
    assert [answer.message for answer in await peer.envelopes()] == [Stored()]
    peer.say(ask(2, Ping()))
    assert [answer.message for answer in await peer.envelopes()] == [Pong()]


async def test_answering_twice_is_a_bug(cluster):
    """Of the handler, at the second call; the peer has one answer. That holds without a connection, too."""
    inbox = Inbox()
    listener = await cluster.listener(inbox)
    peer = await cluster.raw(listener.port)
    await peer.greet()
    peer.say(ask(1), ask(2))
    await until(lambda: len(inbox.responds) == 2)
    inbox.responds[0](Stored())
    with pytest.raises(AssertionError, match="twice"):
        inbox.responds[0](Stored())
    assert [answer.exchange for answer in await peer.envelopes()] == [1]
    peer.abort()
    await until(lambda: not listener.statistics().peers["node2"].is_up)
    inbox.responds[1](Stored())
    assert inbox.responds[1].connection._builder.count == 0
    with pytest.raises(AssertionError, match="twice"):
        inbox.responds[1](Stored())


async def test_an_answer_that_fits_in_no_frame_becomes_a_refusal(cluster, events):
    """Its asker learns of it at once, and the connection lives on."""
    listener = await cluster.listener(Inbox(lambda _: Fetched(bytes(SMALL.peer_frame_bytes_max))), limits=SMALL)
    peer = await cluster.raw(listener.port)
    await peer.greet()
    peer.say(ask(1))
    (answer,) = await peer.envelopes()
    assert isinstance(refused_error(answer.message), Internal)
    assert any("answer not sendable peer=node2 kind=Fetched" in line for line in events())
    peer.say(ask(2, Ping()))
    assert [answer.message for answer in await peer.envelopes()] == [Pong()]


async def test_whoever_connects_is_announced(cluster):
    """So that the way back is tried at once; who was turned away is not."""
    greeted: list[str] = []
    listener = await cluster.listener(Inbox(), greeted=greeted.append)
    for node in ("node2", "node9", "node3"):
        peer: RawPeer = await cluster.raw(listener.port)
        await peer.greet(node)
    assert greeted == ["node2", "node3"]


async def test_statistics_count_what_passed(cluster):
    """Frames, messages and bytes, both ways, by peer; a copy that stays as it was."""
    listener = await cluster.listener(Inbox(echo))
    peer = await cluster.raw(listener.port)
    await peer.greet()
    before = listener.statistics().peers["node2"]
    sent = encode_frame([ask(1), ask(2)])
    peer.write(sent)
    answers = await peer.body()
    after = listener.statistics().peers["node2"]
    assert (before.messages_in, before.messages_out) == (0, 0)
    assert (after.frames_in, after.messages_in, after.bytes_in - before.bytes_in) == (1, 2, len(sent))
    assert (after.frames_out, after.messages_out) == (1, 2)
    assert after.bytes_out - before.bytes_out == len(answers) + LENGTH_BYTES


async def test_stopping_writes_what_was_answered(cluster):
    """An answer that was given is sent before the connection closes, and nobody is let in any more."""
    inbox = Inbox()
    listener = await cluster.listener(inbox)
    port = listener.port
    peer = await cluster.raw(port)
    await peer.greet()
    peer.say(ask(1))
    await until(lambda: inbox.responds)
    inbox.responds[0](Stored())
    (connection,) = listener._connections
    await connection.close()
    await listener.stop()
    assert [answer.message for answer in await peer.envelopes()] == [Stored()]
    assert await peer.is_closed()
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", port)
    await listener.stop()


async def test_stopping_does_not_wait_for_a_peer_that_takes_nothing(cluster):
    """What it does not read in time is given up."""
    timings = msgspec.structs.replace(QUICK, close_s=0.1)
    inbox = Inbox()
    listener = await cluster.listener(inbox, timings=timings)
    peer = await cluster.raw(listener.port)
    await peer.greet()
    peer.stop_reading()
    peer.say(ask(1))
    await until(lambda: inbox.responds)
    inbox.responds[0](Fetched(bytes(30_000_000)))
    started = time.monotonic()
    await listener.stop()
    assert time.monotonic() - started < 2


async def test_a_taken_port_is_an_error(cluster):
    """Of the start, not a silent second listener."""
    listener = await cluster.listener(Inbox())
    other = room.Listener(introduction("node3"), Inbox())
    with pytest.raises(OSError, match=r"(?i)address"):
        await other.start("127.0.0.1", listener.port)


async def test_a_refusal_of_the_node_reaches_the_receiver(cluster):
    """With the error as it was given."""
    listener = await cluster.listener(Inbox(lambda _: refusal(StorageFull("no room", free=0))))
    peers = await cluster.peers(listener.port)
    await until(lambda: peers.is_up("node1"))
    receiver = Receiver()
    peers.send("node1", Store("b", b"k", b"r"), time.monotonic() + 5, "", receiver)
    await until(lambda: receiver.told)
    assert isinstance(receiver.told[0].error, StorageFull)
    assert receiver.told[0].error.members == {"free": 0}
    assert not receiver.told[0].may_have_applied


# Not on asyncio's loop: closing its server in that moment makes it lose the socket, before any protocol hears of it.
@pytest.mark.asyncio(loop_factories=["uvloop"])
async def test_who_connects_while_it_stops_is_not_forgotten(cluster):
    """A connection that was accepted and not yet announced is closed, too."""
    for ticks in range(12):
        listener = await cluster.listener(Inbox())
        opening = [asyncio.ensure_future(asyncio.open_connection("127.0.0.1", listener.port)) for _ in range(5)]
        for _ in range(ticks):
            await asyncio.sleep(0)
        await listener.stop()
        for each in await asyncio.gather(*opening, return_exceptions=True):
            if not isinstance(each, ConnectionError):
                peer = RawPeer(*each)
                assert await peer.is_closed()
                await peer.close()
