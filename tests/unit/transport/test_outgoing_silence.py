import asyncio
import time

import msgspec

from dynamo.protocol.effects import PeerError, PeerFailure
from dynamo.protocol.messages import Ping, Pong, Store, Stored
from tests.unit.transport.wire import QUICK, Receiver, fetch, joined, reply, soon, until


async def test_an_idle_connection_is_probed(cluster):
    """After a second of silence (here a tenth), and again after each answer; a probe shows nowhere else."""
    peers, other = await joined(cluster, timings=QUICK)
    started = time.monotonic()
    for round_ in range(1, 5):
        (probe,) = await other.envelopes()
        assert probe.message == Ping()
        assert time.monotonic() - started >= round_ * QUICK.probe_after_s * 0.9
        other.say(reply(probe.exchange, Pong()))
    assert peers.is_up("node1")
    counted = peers.statistics()["node1"]
    assert (counted.in_flight, counted.late_replies, counted.timeout, counted.connects) == (0, 0, 0, 1)


async def test_a_busy_connection_is_not_probed(cluster):
    """Whatever arrives is a sign of life."""
    peers, other = await joined(cluster, timings=QUICK)
    end = time.monotonic() + 3 * QUICK.probe_after_s
    while time.monotonic() < end:
        receiver = Receiver()
        peers.send("node1", fetch(1), soon(), "", receiver)
        envelopes = await other.envelopes()
        assert [envelope.message for envelope in envelopes] == [fetch(1)]
        other.say(reply(envelopes[0].exchange))
        await until(lambda receiver=receiver: receiver.told)


async def test_a_peer_that_says_nothing_is_given_up(cluster, events):
    """It takes requests and answers none, like a stopped process: LOST after three seconds (here 0.3), then down."""
    peers, other = await joined(cluster, timings=QUICK)
    receiver = Receiver()
    sent_at = time.monotonic()
    peers.send("node1", fetch(1), soon(), "", receiver)
    await until(lambda: receiver.told)
    assert receiver.told == [PeerError(PeerFailure.LOST)]
    assert QUICK.silent_s * 0.9 <= time.monotonic() - sent_at < QUICK.silent_s + 2
    assert not peers.is_up("node1")
    assert any("peer down peer=node1 reason=silent for" in line for line in events())
    assert [envelope.message for envelope in await other.envelopes()] == [fetch(1)]
    assert [envelope.message for envelope in await other.envelopes()] == [Ping()]
    assert await other.is_closed()
    assert peers.statistics()["node1"].messages_out == 2
    down = Receiver()
    peers.send("node1", fetch(1), soon(), "", down)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert down.told == [PeerError(PeerFailure.DOWN)]


async def test_sending_to_a_silent_peer_does_not_keep_it_alive(cluster):
    """The kernel of a stopped process takes bytes for a long time."""
    peers, other = await joined(cluster, timings=QUICK)
    other.stop_reading()
    started = time.monotonic()
    while peers.is_up("node1"):
        assert time.monotonic() < started + QUICK.silent_s + 2
        peers.send("node1", fetch(1), soon(), "", Receiver())
        await asyncio.sleep(QUICK.sweep_s)


async def test_silence_without_a_question_is_broken_by_a_probe(cluster):
    """Nothing was asked, yet a dead peer is found out before anybody needs it."""
    peers, other = await joined(cluster, timings=QUICK)
    assert [envelope.message for envelope in await other.envelopes()] == [Ping()]
    await until(lambda: not peers.is_up("node1"))


async def test_a_slow_line_is_not_a_dead_peer(cluster):
    """While a large value makes its way out, bytes that leave are a sign of life; when they stop, it is over."""
    # Longer than what counts as a stop of this very process, which a busy machine may impose.
    silent_s = 1.0
    peers, other = await joined(cluster, timings=msgspec.structs.replace(QUICK, silent_s=silent_s))
    other.stop_reading()
    receiver = Receiver()
    for _ in range(2):
        peers.send("node1", Store("b", b"k", bytes(25_000_000)), soon(), "", receiver)
    end = time.monotonic() + 2 * silent_s
    while time.monotonic() < end:
        other._writer.transport.resume_reading()
        await other._reader.readexactly(1_000_000)
        other.stop_reading()
        await asyncio.sleep(silent_s / 20)
    assert receiver.told == []
    assert peers.is_up("node1")
    await until(lambda: receiver.told)
    assert receiver.failure is PeerFailure.LOST


async def test_a_process_that_was_stopped_blames_nobody(cluster):
    """Time in which this node did not run does not count as the peer's silence, though deadlines are over."""
    ahead = [0.0]
    peers, other = await joined(cluster, timings=QUICK, monotonic=lambda: time.monotonic() + ahead[0])
    receiver = Receiver()
    peers.send("node1", fetch(1), time.monotonic() + 3600, "", receiver)
    (envelope,) = await other.envelopes()
    for _ in range(2):
        swept_at = peers._swept_at
        await until(lambda swept_at=swept_at: peers._swept_at != swept_at)
    swept_at = peers._swept_at
    ahead[0] += 100
    await until(lambda: peers._swept_at != swept_at)
    other.say(reply(envelope.exchange))
    await until(lambda: receiver.told)
    assert receiver.told == [Stored()]
    assert peers.statistics()["node1"].connects == 1
