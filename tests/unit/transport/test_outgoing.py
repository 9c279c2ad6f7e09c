import asyncio
import time

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dynamo.errors import Internal, ValueTooLarge
from dynamo.protocol.codec import LENGTH_BYTES, Envelope, encode_frame
from dynamo.protocol.effects import PeerError, PeerFailure
from dynamo.protocol.messages import Fetch, Fetched, Ping, Pong, Refused, Store, Stored
from dynamo.transport.peers import TcpPeers
from tests.unit.transport.wire import QUICK, SMALL, Cluster, RawPeer, Receiver, until

PATIENT = msgspec.structs.replace(QUICK, probe_after_s=30.0, silent_s=60.0)
"""Quick in everything but giving up on a silent peer."""


async def joined(cluster: Cluster, **options: object) -> tuple[TcpPeers, RawPeer]:
    """A node that asks, and the other end of its connection, by hand."""
    raw = await cluster.raw_listener()
    peers = await cluster.peers(raw.port, **{"timings": PATIENT, **options})
    other = await raw.accept()
    await other.welcome()
    await until(lambda: peers.is_up("node1"))
    return peers, other


def soon() -> float:
    return time.monotonic() + 20


def fetch(number: int) -> Fetch:
    return Fetch("b", b"%d" % number)


def reply(exchange: int, message=None) -> Envelope:
    return Envelope(exchange, True, 1, 0, "", message or Stored())


async def test_a_tick_is_one_frame(cluster):
    """A hundred sends arrive together, in order, and are counted so."""
    peers, other = await joined(cluster)
    for number in range(100):
        peers.send("node1", fetch(number), soon(), f"req-{number}", Receiver())
    envelopes = await other.envelopes()
    assert [envelope.message for envelope in envelopes] == [fetch(number) for number in range(100)]
    assert [envelope.trace for envelope in envelopes] == [f"req-{number}" for number in range(100)]
    assert len({envelope.exchange for envelope in envelopes}) == 100
    assert not any(envelope.is_reply for envelope in envelopes)
    counted = peers.statistics()["node1"]
    assert (counted.frames_out, counted.messages_out, counted.in_flight) == (1, 100, 100)


async def test_what_answers_cause_leaves_with_the_next_flush(cluster):
    """A receiver that asks again from within its answer: still one frame for all of them."""
    peers, other = await joined(cluster)

    class Again(Receiver):
        def on_reply(self, peer, message):
            peers.send(peer, fetch(9), soon(), "", Receiver())

    for number in range(20):
        peers.send("node1", fetch(number), soon(), "", Again())
    other.say(*[reply(envelope.exchange) for envelope in await other.envelopes()])
    assert [envelope.message for envelope in await other.envelopes()] == [fetch(9)] * 20


async def test_the_time_left_travels_not_the_deadline(cluster):
    """In milliseconds, rounded up, as clocks need not agree."""
    now = [5000.0]
    peers, other = await joined(cluster, monotonic=lambda: now[0])
    for left_s in (1.5, 0.0001, 60.0):
        peers.send("node1", fetch(1), now[0] + left_s, "", Receiver())
    assert [envelope.left_ms for envelope in await other.envelopes()] == [1500, 1, 60_000]


async def test_a_large_message_has_a_frame_of_its_own(cluster):
    """What was said before goes ahead of it, what is said after it follows; the order stays."""
    peers, other = await joined(cluster)
    for size in (1, 300_000, 1, 1):
        peers.send("node1", Store("b", b"k", bytes(size)), soon(), "", Receiver())
    frames = [[len(envelope.message.record) for envelope in await other.envelopes()] for _ in range(3)]
    assert frames == [[1], [300_000], [1, 1]]


async def test_many_medium_messages_fill_several_frames(cluster):
    """None much larger than the aim, so that the peer can start on the first ones."""
    peers, other = await joined(cluster)
    for number in range(100):
        peers.send("node1", Store("b", b"%d" % number, bytes(20_000)), soon(), "", Receiver())
    keys = []
    while len(keys) < 100:
        body = await other.body()
        assert len(body) < 300_000
        keys += [envelope.message.key for envelope in msgspec.msgpack.decode(body, type=list[Envelope])]
    assert keys == [b"%d" % number for number in range(100)]


async def test_each_answer_finds_its_asker(cluster):
    """In any order, in any number of frames."""
    peers, other = await joined(cluster)
    receivers = [Receiver() for _ in range(50)]
    for number, receiver in enumerate(receivers):
        peers.send("node1", fetch(number), soon(), "", receiver)
    envelopes = await other.envelopes()
    for envelope in reversed(envelopes):
        other.say(reply(envelope.exchange, Fetched(envelope.message.key)))
    await until(lambda: all(receiver.told for receiver in receivers))
    assert [receiver.told for receiver in receivers] == [[Fetched(b"%d" % number)] for number in range(50)]


async def test_answers_to_nothing_are_counted_and_dropped(cluster):
    """Late, repeated or made up: nobody is called."""
    peers, other = await joined(cluster)
    receiver = Receiver()
    peers.send("node1", fetch(1), soon(), "", receiver)
    (envelope,) = await other.envelopes()
    other.say(reply(envelope.exchange), reply(envelope.exchange), reply(999), reply(-1))
    await until(lambda: peers.statistics()["node1"].late_replies == 3)
    assert receiver.told == [Stored()]


async def test_a_receiver_that_fails_costs_only_itself(cluster, events):
    """It is logged as the bug it is; the answers behind it are handed out."""
    peers, other = await joined(cluster)

    class Broken(Receiver):
        def on_reply(self, peer, message):
            raise RuntimeError("bug")

        def on_failure(self, peer, error):
            raise RuntimeError("bug")

    receiver = Receiver()
    for each in (Broken(), Broken(), receiver):
        peers.send("node1", fetch(1), soon(), "", each)
    one, two, three = [envelope.exchange for envelope in await other.envelopes()]
    other.say(reply(one), reply(two, Refused("overloaded", "x")), reply(three))
    await until(lambda: receiver.told)
    assert receiver.told == [Stored()]
    bugs = [line for line in events() if "receiver failed" in line]
    assert len(bugs) == 2
    assert all("peer=node1" in line and line.endswith("RuntimeError") for line in bugs)
    assert peers.is_up("node1")


async def test_one_sweep_ends_all_that_is_overdue(cluster):
    """Each by its own deadline, whatever the order of sending; the rest stays."""
    now = [100.0]
    peers, other = await joined(cluster, monotonic=lambda: now[0])
    told: list[object] = []
    receivers = {}
    for left_s in (3.0, 1.0, 2.0, 50.0):
        receivers[left_s] = Receiver()
        peers.send("node1", fetch(1), now[0] + left_s, "", receivers[left_s])
    peers.send("node1", fetch(2), now[0] + 1, "", Receiver(told))
    await other.envelopes()
    now[0] += 2.5
    await until(lambda: receivers[2.0].told)
    assert [left_s for left_s, receiver in receivers.items() if receiver.failure is PeerFailure.TIMEOUT] == [1.0, 2.0]
    assert told == [PeerError(PeerFailure.TIMEOUT)]
    assert receivers[3.0].told == receivers[50.0].told == []
    counted = peers.statistics()["node1"]
    assert (counted.timeout, counted.in_flight) == (3, 2)


async def test_a_receiver_may_ask_again_when_it_fails(cluster):
    """From within a timeout, and from within the end of the connection."""
    peers, other = await joined(cluster)
    after: list[Receiver] = []

    class Again(Receiver):
        def on_failure(self, peer, error):
            super().on_failure(peer, error)
            after.append(Receiver())
            peers.send(peer, fetch(2), soon(), "", after[-1])
            assert after[-1].told == []

    first = Again()
    peers.send("node1", fetch(1), time.monotonic() + 0.02, "", first)
    await until(lambda: len(after) == 1)
    assert first.failure is PeerFailure.TIMEOUT
    second = Again()
    peers.send("node1", fetch(1), soon(), "", second)
    await until(lambda: peers.statistics()["node1"].messages_out == 3)
    other.abort()
    await until(lambda: second.told and all(receiver.told for receiver in after))
    assert second.failure is PeerFailure.LOST
    assert [receiver.failure for receiver in after] == [PeerFailure.LOST, PeerFailure.DOWN]


async def test_what_was_not_handed_to_the_socket_is_down_not_lost(cluster):
    """The connection ends within the tick: nothing had left, so nothing happened."""
    peers, other = await joined(cluster)
    sent, unsent = Receiver(), Receiver()
    peers.send("node1", fetch(1), soon(), "", sent)
    await other.envelopes()
    peers.send("node1", fetch(2), soon(), "", unsent)
    peers._links["node1"].connection.drop("test")
    await until(lambda: sent.told and unsent.told)
    assert (sent.failure, unsent.failure) == (PeerFailure.LOST, PeerFailure.DOWN)
    counted = peers.statistics()["node1"]
    assert (counted.lost, counted.down, counted.messages_out) == (1, 1, 1)


# A peer that takes nothing.


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


# Silence.


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
    peers, other = await joined(cluster, timings=QUICK)
    other.stop_reading()
    receiver = Receiver()
    for _ in range(2):
        peers.send("node1", Store("b", b"k", bytes(25_000_000)), soon(), "", receiver)
    end = time.monotonic() + 2 * QUICK.silent_s
    while time.monotonic() < end:
        other._writer.transport.resume_reading()
        await other._reader.readexactly(1_000_000)
        other.stop_reading()
        await asyncio.sleep(QUICK.silent_s / 10)
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


# A peer that misbehaves.


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x03abc",
        b"\x00\x00\x00\x09\x91\x96\x01\xc3\x01\x01\xa0\x91\x63",
        encode_frame([Envelope(1, False, 1, 1000, "", Ping())]),
    ],
    ids=["oversize", "garbage", "unknown tag", "a request"],
)
async def test_a_bad_frame_ends_the_connection(cluster, events, data: bytes):
    """What was in flight is LOST; one line in the log and no traceback; a new connection is made."""
    peers, other = await joined(cluster)
    receiver = Receiver()
    peers.send("node1", fetch(1), soon(), "", receiver)
    await other.envelopes()
    other.write(data)
    await until(lambda: receiver.told)
    assert receiver.told == [PeerError(PeerFailure.LOST)]
    counted = peers.statistics()["node1"]
    assert (counted.frames_bad, counted.lost) == (1, 1)
    assert len([line for line in events() if "connection dropped" in line]) == 1
    assert not any(line.startswith("error") for line in events())


async def test_a_hostile_refusal_is_only_a_refusal(cluster):
    """Members that no error could have do not break the connection that brought them."""
    peers, other = await joined(cluster)
    receivers = [Receiver(), Receiver()]
    for receiver in receivers:
        peers.send("node1", fetch(1), soon(), "", receiver)
    one, two = [envelope.exchange for envelope in await other.envelopes()]
    other.say(reply(one, Refused("\x00", "x" * 1000, b'{"self":1,"code":2,"detail":3}')), reply(two))
    await until(lambda: all(receiver.told for receiver in receivers))
    assert [receiver.failure for receiver in receivers] == [PeerFailure.REFUSED, None]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=200), st.booleans(), st.booleans())
async def test_no_bytes_of_a_peer_do_harm(cluster, data: bytes, framed: bool, greeted: bool):
    """As a Welcome or after it: at worst the connection ends, and whoever waits is told once."""
    problems: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    raw = await cluster.raw_listener()
    peers = await cluster.peers(raw.port, timings=PATIENT)
    other = await raw.accept()
    receivers = [Receiver() for _ in range(3)]
    if greeted:
        await other.welcome()
        await until(lambda: peers.is_up("node1"))
    for receiver in receivers:
        peers.send("node1", fetch(1), soon(), "", receiver)
    other.write(len(data).to_bytes(LENGTH_BYTES, "big") + data if framed else data)
    other.abort()
    await until(lambda: all(receiver.told for receiver in receivers))
    await cluster.stop()
    cluster._stops.clear()
    assert [len(receiver.told) for receiver in receivers] == [1, 1, 1]
    assert problems == []
