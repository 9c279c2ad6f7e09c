import asyncio
import time

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dynamo.protocol.codec import LENGTH_BYTES, Envelope, encode_frame
from dynamo.protocol.effects import PeerError, PeerFailure
from dynamo.protocol.messages import Fetched, Ping, Refused, Store, Stored
from tests.unit.transport.wire import PATIENT, Receiver, fetch, joined, reply, soon, until


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
