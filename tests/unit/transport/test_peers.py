import asyncio
import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dynamo.config import MemberSection
from dynamo.protocol.codec import encode_greeting
from dynamo.protocol.effects import PeerError, PeerFailure
from dynamo.protocol.messages import Fetch, Fetched, Store, Stored
from dynamo.transport.handshake import hello
from dynamo.transport.listener import Listener
from dynamo.transport.peers import TcpPeers
from tests.unit.transport.wire import QUICK, Dice, Inbox, Receiver, free_port, introduction, until

Faults = list[tuple[str, int]]
"""What breaks, and after how many milliseconds."""


def echo(message):
    return Fetched(message.key)


async def test_this_node_is_not_its_own_peer(cluster):
    """It may stand among the members; what it asks itself never crosses a socket."""
    listener = await cluster.listener(Inbox(), node="node1")
    members = [MemberSection(id="node1", peer_port=listener.port), MemberSection(id="node2", peer_port=free_port())]
    peers = TcpPeers(introduction("node1"), members, Dice())
    assert list(peers.statistics()) == ["node2"]
    assert not peers.is_up("node1")


async def test_a_deadline_that_is_over_is_down(cluster):
    """Nothing was sent, so nothing happened there."""
    inbox = Inbox(echo)
    listener = await cluster.listener(inbox)
    peers = await cluster.peers(listener.port)
    await until(lambda: peers.is_up("node1"))
    receiver, after = Receiver(), Receiver()
    peers.send("node1", Fetch("b", b"over"), time.monotonic() - 1, "", receiver)
    peers.send("node1", Fetch("b", b"good"), time.monotonic() + 5, "", after)
    await until(lambda: receiver.told and after.told)
    assert receiver.told == [PeerError(PeerFailure.DOWN)]
    assert inbox.messages == [Fetch("b", b"good")]
    assert peers.statistics()["node1"].down == 1


async def test_failures_of_one_tick_come_in_the_order_of_sending(cluster):
    """On the next tick, all of them."""
    peers = await cluster.peers(free_port())
    told: list[object] = []

    class Named(Receiver):
        def __init__(self, name: int) -> None:
            super().__init__(told)
            self.name = name

        def on_failure(self, peer, error):
            told.append((self.name, peer, error.failure))

    for name in range(5):
        peers.send("node1", Fetch("b", b"k"), time.monotonic() + 5, "", Named(name))
    assert told == []
    await asyncio.sleep(0)
    assert told == [(name, "node1", PeerFailure.DOWN) for name in range(5)]


async def test_order_is_kept_across_ticks_and_sizes(cluster):
    """What is sent first is handled first, whatever its size."""
    inbox = Inbox(lambda _: Stored())
    listener = await cluster.listener(inbox)
    peers = await cluster.peers(listener.port)
    await until(lambda: peers.is_up("node1"))
    dice = random.Random(7)
    receivers = []
    for number in range(300):
        receivers.append(Receiver())
        record = bytes(dice.choice([0, 10, 1000, 100_000, 400_000]))
        peers.send("node1", Store("b", b"%d" % number, record), time.monotonic() + 20, "", receivers[-1])
        if dice.random() < 0.2:
            await asyncio.sleep(0)
    await until(lambda: all(receiver.told for receiver in receivers))
    assert [message.key for message in inbox.messages] == [b"%d" % number for number in range(300)]
    assert all(receiver.told == [Stored()] for receiver in receivers)


async def test_both_ends_count_alike(cluster):
    """What one sent the other received, byte for byte."""
    listener = await cluster.listener(Inbox(echo))
    peers = await cluster.peers(listener.port)
    await until(lambda: peers.is_up("node1"))
    receivers = [Receiver() for _ in range(10)]
    for receiver in receivers:
        peers.send("node1", Fetch("b", b"k"), time.monotonic() + 5, "", receiver)
    await until(lambda: all(receiver.told for receiver in receivers))
    here, there = peers.statistics()["node1"], listener.statistics().peers["node2"]
    assert (here.messages_out, here.messages_in, here.frames_out, here.frames_in) == (10, 10, 1, 1)
    assert (there.messages_in, there.messages_out) == (10, 10)
    greeting = len(encode_greeting(hello(introduction("node2"))))
    assert here.bytes_out == there.bytes_in + greeting
    assert here.in_flight == 0


async def test_statistics_of_a_stopped_node_can_still_be_read(cluster):
    """For the last scrape: nothing is up, nothing in flight."""
    listener = await cluster.listener(Inbox())
    peers = await cluster.peers(listener.port)
    await until(lambda: peers.is_up("node1"))
    receiver = Receiver()
    peers.send("node1", Fetch("b", b"k"), time.monotonic() + 5, "", receiver)
    await asyncio.sleep(0)
    await peers.stop()
    assert receiver.told == [PeerError(PeerFailure.LOST)]
    counted = peers.statistics()["node1"]
    assert (counted.is_up, counted.in_flight, counted.queued_bytes, counted.lost) == (False, 0, 0, 1)
    late = Receiver()
    peers.send("node1", Fetch("b", b"k"), time.monotonic() + 5, "", late)
    await until(lambda: late.told)
    assert late.failure is PeerFailure.DOWN


class Traffic:
    """Sends at random, and remembers who waits for what."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self.receivers: list[Receiver] = []

    def answer(self, peer, epoch, message, deadline, trace, respond) -> None:
        if self._dice.random() < 0.8:
            respond(Fetched(message.key))

    async def run(self, peers: TcpPeers) -> None:
        for _ in range(60):
            for _ in range(self._dice.randrange(8)):
                key = b"%d" % len(self.receivers) + bytes(self._dice.choice([0, 100_000]))
                deadline = time.monotonic() + self._dice.choice([-0.01, 0.001, 0.02, 0.2])
                self.receivers.append(Receiver())
                peers.send("node1", Fetch("b", key), deadline, "", self.receivers[-1])
            await asyncio.sleep(0.001)

    def check(self) -> None:
        """Each receiver was called once, and no answer was another's."""
        for number, receiver in enumerate(self.receivers):
            assert len(receiver.told) == 1
            if isinstance(receiver.told[0], Fetched):
                assert receiver.told[0].record.rstrip(b"\x00") == b"%d" % number


async def break_things(cluster, peers: TcpPeers, listener: Listener, traffic: Traffic, faults: Faults) -> None:
    for fault, pause_ms in faults:
        await asyncio.sleep(pause_ms / 1000)
        if fault == "drop here" and (connection := peers._links["node1"].connection) is not None:
            connection.drop("test")
        elif fault == "drop there":
            for connection in list(listener._connections):
                connection.drop("test")
        elif fault == "restart":
            port = listener.port
            await listener.stop()
            listener = await cluster.listener(traffic.answer, port, timings=QUICK)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from(["drop here", "drop there", "restart"]), st.integers(0, 30)), max_size=6),
    st.integers(0, 2**32),
)
async def test_every_send_is_answered_once_whatever_breaks(cluster, faults: Faults, seed: int):
    """Connections dropped at either end, restarts, requests without an answer: one call each, and it is counted."""
    traffic = Traffic(random.Random(seed))
    listener = await cluster.listener(traffic.answer, timings=QUICK)
    peers = await cluster.peers(listener.port, timings=QUICK)
    sending = asyncio.ensure_future(traffic.run(peers))
    await break_things(cluster, peers, listener, traffic, faults)
    await sending
    await until(lambda: all(receiver.told for receiver in traffic.receivers))
    await cluster.stop()
    cluster._stops.clear()
    traffic.check()
    counted = peers.statistics()["node1"]
    failed = counted.down + counted.lost + counted.timeout + counted.refused
    assert failed == sum(receiver.failure is not None for receiver in traffic.receivers)


async def test_starting_twice_is_a_bug(cluster):
    """Two sweeps and two connections to each peer would follow."""
    peers = await cluster.peers(free_port())
    with pytest.raises(AssertionError, match="started twice"):
        await peers.start()
