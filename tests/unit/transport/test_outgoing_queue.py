import asyncio
import random
import time

import msgspec
import pytest

from dynamo.errors import Internal, ValueTooLarge
from dynamo.protocol.codec import Envelope
from dynamo.protocol.effects import PeerError, PeerFailure
from dynamo.protocol.messages import Fetched, Store, Stored
from dynamo.transport.peers import TcpPeers
from tests.unit.transport.wire import PATIENT, SMALL, Inbox, Receiver, fetch, joined, reply, soon, until


async def filled(peers: TcpPeers) -> list[Receiver]:
    """Send until the peer is no longer up."""
    receivers = []
    async with asyncio.timeout(10):
        while peers.is_up("node1"):
            receivers.append(Receiver())
            peers.send("node1", Store("b", b"%d" % len(receivers), bytes(50_000)), soon(), "", receivers[-1])
            if len(receivers) % 10 == 0:
                await asyncio.sleep(0)
    return receivers


async def test_a_peer_that_does_not_read_fills_a_bounded_queue(cluster):
    """Then sends to it fail at once, nothing of them sent; what waits is bounded, and no caller has to wait."""
    peers, other = await joined(cluster, limits=SMALL)
    other.stop_reading()
    receivers = await filled(peers)
    assert not any(receiver.told for receiver in receivers)
    waiting = peers._links["node1"].connection.waiting_bytes
    assert SMALL.peer_queue_bytes_max <= waiting < SMALL.peer_queue_bytes_max + 60_000
    assert peers.statistics()["node1"].queued_bytes < waiting + 2**20 + 400_000
    late = Receiver()
    peers.send("node1", fetch(1), soon(), "", late)
    assert late.told == []
    await until(lambda: late.told)
    assert late.told == [PeerError(PeerFailure.DOWN)]
    assert peers.statistics()["node1"].down == 1


async def test_when_the_peer_reads_again_all_is_sent_in_order(cluster):
    """Nothing that was accepted is forgotten, nothing overtakes."""
    peers, other = await joined(cluster, limits=SMALL)
    other.stop_reading()
    receivers = await filled(peers)
    other._writer.transport.resume_reading()
    keys: list[bytes] = []
    while len(keys) < len(receivers):
        envelopes = await other.envelopes()
        keys += [envelope.message.key for envelope in envelopes]
        other.say(*[reply(envelope.exchange) for envelope in envelopes])
    assert keys == [b"%d" % (number + 1) for number in range(len(receivers))]
    await until(lambda: all(receiver.told for receiver in receivers))
    assert all(receiver.told == [Stored()] for receiver in receivers)
    assert peers.is_up("node1")
    assert peers._links["node1"].connection.waiting_bytes == 0


async def test_what_expires_in_the_queue_is_never_sent(cluster):
    """It fails as DOWN, makes room, and the peer that reads again does not see it; the time left is counted anew."""
    peers, other = await joined(cluster, limits=SMALL)
    other.stop_reading()
    await filled(peers)
    connection = peers._links["node1"].connection
    waiting = [envelope.exchange for envelope, _ in connection._waiting]
    for exchange in waiting[1:]:
        connection._calls[exchange] = (time.monotonic() + 0.05, connection._calls[exchange][1])
    expiring = [connection._calls[exchange][1] for exchange in waiting[1:]]
    before = next(envelope.left_ms for envelope, _ in connection._waiting)
    await until(lambda: all(receiver.told for receiver in expiring))
    assert {receiver.failure for receiver in expiring} == {PeerFailure.DOWN}
    assert len(connection._waiting) == 1
    assert peers.is_up("node1")
    other._writer.transport.resume_reading()
    seen: list[Envelope] = []
    while waiting[0] not in [envelope.exchange for envelope in seen]:
        seen += await other.envelopes()
    assert not {envelope.exchange for envelope in seen} & set(waiting[1:])
    assert seen[-1].left_ms < before


async def test_what_is_over_when_the_peer_reads_again_is_not_sent(cluster):
    """Even if no sweep came in between; the next one tells it from what had left."""
    ahead = [0.0]
    timings = msgspec.structs.replace(PATIENT, sweep_s=3600.0)
    clock = {"monotonic": lambda: time.monotonic() + ahead[0]}
    peers, other = await joined(cluster, limits=SMALL, timings=timings, **clock)
    other.stop_reading()
    receivers = await filled(peers)
    connection = peers._links["node1"].connection
    waiting = len(connection._waiting)
    ahead[0] += 60
    other._writer.transport.resume_reading()
    seen: list[Envelope] = []
    while len(seen) < len(receivers) - waiting:
        seen += await other.envelopes()
    await until(lambda: not connection._waiting)
    assert connection.waiting_bytes == 0
    assert not any(receiver.told for receiver in receivers)
    connection.sweep(time.monotonic() + ahead[0])
    failures = [receiver.failure for receiver in receivers]
    assert failures == [PeerFailure.TIMEOUT] * (len(receivers) - waiting) + [PeerFailure.DOWN] * waiting
    assert connection.traffic.messages_out == len(seen)


async def test_a_queue_that_dies_was_never_sent(cluster):
    """What the socket had taken is LOST, what waited behind it is DOWN: each once."""
    peers, other = await joined(cluster, limits=SMALL)
    other.stop_reading()
    receivers = await filled(peers)
    waiting = len(peers._links["node1"].connection._waiting)
    assert waiting > 0
    other.abort()
    await until(lambda: all(receiver.told for receiver in receivers))
    failures = [receiver.failure for receiver in receivers]
    assert failures == [PeerFailure.LOST] * (len(receivers) - waiting) + [PeerFailure.DOWN] * waiting
    assert all(len(receiver.told) == 1 for receiver in receivers)


async def test_a_queue_that_dies_half_way_knows_how_far_it_came(cluster):
    """What the socket took meanwhile is LOST, what still waits is DOWN."""
    limits = msgspec.structs.replace(SMALL, peer_queue_bytes_max=2**23)
    peers, other = await joined(cluster, limits=limits)
    other.stop_reading()
    receivers = await filled(peers)
    connection = peers._links["node1"].connection
    waited = len(connection._waiting)
    other._writer.transport.resume_reading()
    while len(connection._waiting) == waited:
        await other._reader.read(50_000)
    other.stop_reading()
    waiting = len(connection._waiting)
    assert 0 < waiting < waited
    other.abort()
    await until(lambda: all(receiver.told for receiver in receivers))
    failures = [receiver.failure for receiver in receivers]
    assert failures == [PeerFailure.LOST] * (len(receivers) - waiting) + [PeerFailure.DOWN] * waiting


async def test_a_message_that_fits_in_no_frame_is_refused_here(cluster, events):
    """The peer would close the connection on it. Nothing is sent; the connection serves others."""
    peers, other = await joined(cluster, limits=SMALL)
    large, small = Receiver(), Receiver()
    peers.send("node1", Store("b", b"k", bytes(SMALL.peer_frame_bytes_max)), soon(), "req-5", large)
    peers.send("node1", fetch(1), soon(), "", small)
    assert large.told == []
    await until(lambda: large.told)
    assert large.failure is PeerFailure.REFUSED
    assert isinstance(large.told[0].error, ValueTooLarge)
    assert not large.told[0].may_have_applied
    assert [envelope.message for envelope in await other.envelopes()] == [fetch(1)]
    assert any("message not sendable peer=node1 kind=Store trace=req-5" in line for line in events())
    other.stop_reading()
    await filled(peers)
    waiting = Receiver()
    peers._links["node1"].connection._queue_bytes_max *= 2
    peers.send("node1", Store("b", b"k", bytes(SMALL.peer_frame_bytes_max)), soon(), "", waiting)
    await until(lambda: waiting.told)
    assert isinstance(waiting.told[0].error, ValueTooLarge)


async def test_a_message_that_cannot_be_encoded_is_a_failure_not_a_crash(cluster):
    """Its receiver is told, like any other."""
    peers, other = await joined(cluster)
    bad, good = Receiver(), Receiver()
    peers.send("node1", fetch(1), soon(), "\ud800", bad)
    peers.send("node1", fetch(2), soon(), "", good)
    await until(lambda: bad.told)
    assert isinstance(bad.told[0].error, Internal)
    assert [envelope.message for envelope in await other.envelopes()] == [fetch(2)]


async def test_an_answer_to_what_still_waits_is_not_sent_after_it(cluster):
    """A peer that guesses numbers answers before it was asked: one call, and no crash when there is room again."""
    peers, other = await joined(cluster, limits=SMALL)
    other.stop_reading()
    receivers = await filled(peers)
    connection = peers._links["node1"].connection
    exchange = connection._waiting[0][0].exchange
    other.say(reply(exchange))
    await until(lambda: any(receiver.told for receiver in receivers))
    other._writer.transport.resume_reading()
    seen: list[int] = []
    while len(seen) < len(receivers) - 1:
        seen += [envelope.exchange for envelope in await other.envelopes()]
    assert exchange not in seen
    assert connection.waiting_bytes == 0
    assert peers.is_up("node1")


@pytest.mark.parametrize("frame_bytes_max", [70_000, 100_000, 300_000])
async def test_frames_stay_within_a_small_limit(cluster, frame_bytes_max: int):
    """Joined or alone, no frame is larger than the other side takes."""
    limits = msgspec.structs.replace(SMALL, peer_frame_bytes_max=frame_bytes_max)
    listener = await cluster.listener(Inbox(lambda message: Fetched(message.record)), limits=limits)
    peers = await cluster.peers(listener.port, limits=limits)
    await until(lambda: peers.is_up("node1"))
    dice = random.Random(3)
    receivers = [Receiver() for _ in range(300)]
    for receiver in receivers:
        size = dice.choice([10, 1000, 20_000, 34_000, 36_000, 60_000])
        peers.send("node1", Store("b", b"k", bytes(size)), soon(), "", receiver)
        if dice.random() < 0.1:
            await asyncio.sleep(0)
    await until(lambda: all(receiver.told for receiver in receivers))
    assert all(isinstance(receiver.told[0], Fetched) for receiver in receivers)
    assert peers.statistics()["node1"].connects == 1
