import asyncio
import time
from math import inf

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.protocol.effects import PeerFailure
from dynamo.protocol.messages import Ping
from dynamo.transport.connection import Timings
from dynamo.transport.link import pause_s
from tests.unit.transport.wire import QUICK, Inbox, Receiver, free_port, introduction, until

SLOW = msgspec.structs.replace(QUICK, backoff_min_s=30.0, backoff_max_s=60.0)
"""Whoever waits out a pause of these fails its test."""


class Die:
    """Randomness that always falls alike."""

    def __init__(self, value: float) -> None:
        self.value = value

    def random(self) -> float:
        return self.value

    def token_bytes(self, count: int) -> bytes:
        return bytes(count)


@given(st.integers(1, 10**6), st.floats(0, 1, exclude_max=True))
def test_a_pause_lies_within_its_bounds(failures: int, chance: float):
    """However many failures, and however the die falls."""
    timings = Timings()
    assert timings.backoff_min_s / 2 <= pause_s(failures, timings, chance) <= timings.backoff_max_s


def test_pauses_double_up_to_the_largest():
    """50 ms to 2 s, before chance shortens them by up to half."""
    pauses = [pause_s(failures, Timings(), 1.0) for failures in range(1, 9)]
    assert pauses == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0])
    assert [pause_s(failures, Timings(), 0.0) for failures in (1, 8)] == pytest.approx([0.025, 1.0])


async def test_the_first_attempt_is_made_at_once(cluster):
    """And the handshake says who asks."""
    raw = await cluster.raw_listener()
    started = time.monotonic()
    await cluster.peers(raw.port, timings=SLOW, me=introduction("node2", epoch=5))
    hello = await (await raw.accept()).hello()
    assert time.monotonic() - started < 2
    assert (hello.cluster, hello.node, hello.incarnation, hello.epoch) == ("cluster", "node2", "00000002", 5)
    assert (hello.protocol_min, hello.protocol_max) == (1, 1)


async def test_a_peer_is_down_until_it_has_answered(cluster):
    """TCP alone is not enough; nothing is sent before the Welcome."""
    raw = await cluster.raw_listener()
    peers = await cluster.peers(raw.port)
    other = await raw.accept()
    await other.hello()
    assert not peers.is_up("node1")
    receiver = Receiver()
    peers.send("node1", Ping(), time.monotonic() + 5, "", receiver)
    await until(lambda: receiver.told)
    assert receiver.failure is PeerFailure.DOWN


async def test_what_the_peer_says_of_itself_is_known(cluster, events):
    """Its incarnation and epoch, as of the handshake."""
    raw = await cluster.raw_listener()
    peers = await cluster.peers(raw.port)
    await (await raw.accept()).welcome(incarnation="cafe0000", epoch=12)
    await until(lambda: peers.is_up("node1"))
    counted = peers.statistics()["node1"]
    assert (counted.incarnation, counted.epoch, counted.connects, counted.is_up) == ("cafe0000", 12, 1, True)
    assert any(f"info peer up peer=node1 address=127.0.0.1:{raw.port} protocol=1" in line for line in events())


async def test_nobody_there_is_tried_again_and_said_once(cluster, events):
    """One line for a reason, however often it is met; found as soon as somebody is there."""
    port = free_port()
    peers = await cluster.peers(port, timings=QUICK)
    await until(lambda: peers.statistics()["node1"].attempts_failed >= 4)
    lines = [line for line in events() if "not reachable" in line]
    assert len(lines) == 1
    assert f"peer=node1 address=127.0.0.1:{port} reason=ConnectionRefusedError" in lines[0]
    await cluster.listener(Inbox(), port)
    await until(lambda: peers.is_up("node1"))


async def test_a_name_that_is_none_is_a_failure_like_others(cluster):
    """It ends neither the node nor the attempts."""
    peers = await cluster.peers(1, timings=QUICK)
    link = peers._links["node1"]
    link._host = "no..such." + "x" * 70
    failed = peers.statistics()["node1"].attempts_failed
    await until(lambda: peers.statistics()["node1"].attempts_failed > failed + 1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cluster": "other"}, "cluster 'other' answers there"),
        ({"node": "node3"}, "node 'node3' answers there, not 'node1'"),
        ({"refusal": "not a member"}, "refused: not a member"),
        ({"protocol": 2}, "protocol 2"),
        ({"magic": "x"}, "no peer"),
    ],
)
async def test_the_wrong_place_is_left_and_tried_again(cluster, events, changes: dict[str, object], words: str):
    """It is not used, the log says why, and the peer may be there the next time."""
    raw = await cluster.raw_listener()
    peers = await cluster.peers(raw.port, timings=QUICK)
    wrong = await raw.accept()
    await wrong.welcome(**changes)
    assert await wrong.is_closed()
    assert not peers.is_up("node1")
    assert any("peer not reachable peer=node1" in line and words in line for line in events())
    await (await raw.accept()).welcome()
    await until(lambda: peers.is_up("node1"))
    assert peers.statistics()["node1"].attempts_failed == 1


@pytest.mark.parametrize("data", [b"", b"\x00\x00", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\x00\x00\x01\xc0"])
async def test_who_does_not_answer_the_greeting_is_left(cluster, data: bytes):
    """Silence, half a frame, another protocol: each ends in another attempt."""
    raw = await cluster.raw_listener()
    peers = await cluster.peers(raw.port, timings=QUICK)
    wrong = await raw.accept()
    wrong.write(data)
    await (await raw.accept()).welcome()
    await until(lambda: peers.is_up("node1"))
    assert await wrong.is_closed()


async def test_a_real_listener_turns_a_stranger_away(cluster, events):
    """Both ends say why, in their own log."""
    listener = await cluster.listener(Inbox())
    peers = await cluster.peers(listener.port, me=introduction("node2", cluster="other"), timings=QUICK)
    await until(lambda: listener.statistics().handshakes_refused >= 2)
    assert not peers.is_up("node1")
    assert len([line for line in events() if "refused: this is cluster 'cluster', not 'other'" in line]) == 1


async def test_a_lost_connection_is_made_again(cluster):
    """Counted as a further connect; requests work as before."""
    listener = await cluster.listener(Inbox(lambda message: message))
    peers = await cluster.peers(listener.port, timings=QUICK)
    for connects in (1, 2, 3):
        await until(lambda: peers.is_up("node1"))
        assert peers.statistics()["node1"].connects == connects
        peers._links["node1"].connection.drop("test")
        await until(lambda: not peers.is_up("node1"))


async def test_pauses_grow_until_a_connection_lasts(cluster):
    """A peer that accepts and closes at once is not tried in a tight loop; one that stayed is tried soon."""
    now = [0.0]
    raw = await cluster.raw_listener()
    peers = await cluster.peers(raw.port, timings=QUICK, monotonic=lambda: now[0], dice=Die(0.0))
    link = peers._links["node1"]
    for failures in (1, 2, 3):
        other = await raw.accept()
        await other.welcome()
        await until(lambda: peers.is_up("node1"))
        other.abort()
        await until(lambda failures=failures: link._failures == failures)
    other = await raw.accept()
    await other.welcome()
    await until(lambda: peers.is_up("node1"))
    now[0] += QUICK.backoff_max_s
    other.abort()
    await until(lambda: not peers.is_up("node1"))
    await until(lambda: link._failures == 1)


async def test_news_of_the_peer_ends_a_pause(cluster):
    """It connected to us, so it is there: no reason to wait. A peer that is up or unknown is left alone."""
    port = free_port()
    peers = await cluster.peers(port, timings=SLOW)
    await until(lambda: peers.statistics()["node1"].attempts_failed == 1)
    await cluster.listener(Inbox(), port)
    await until(lambda: peers._links["node1"]._pause is not None)
    peers.retry_now("node1")
    await until(lambda: peers.is_up("node1"))
    peers.retry_now("node1")
    peers.retry_now("node9")
    assert peers.statistics()["node1"].connects == 1


async def test_two_nodes_find_each_other_through_a_greeting(cluster):
    """The one that starts first need not wait out its pause when the other comes up."""
    port = free_port()
    first = await cluster.peers(port, node="node2", timings=SLOW)
    at_home = await cluster.listener(Inbox(), node="node2", greeted=first.retry_now)
    await until(lambda: first._links["node1"]._pause is not None)
    await cluster.listener(Inbox(), port, node="node1")
    second = await cluster.peers(at_home.port, node="node1", to="node2", timings=SLOW)
    await until(lambda: first.is_up("node1") and second.is_up("node2"))


@pytest.mark.parametrize("delay_s", [0.0, 0.0002, 0.0005, 0.001, 0.002, 0.005])
async def test_stopping_does_not_hang_on_a_handshake(cluster, delay_s: float):
    """Wherever in the opening of its connection the link is: stopped well before any limit, the socket closed."""
    raw = await cluster.raw_listener()
    for _ in range(5):
        peers = await cluster.peers(raw.port, timings=SLOW)
        await asyncio.sleep(delay_s)
        started = time.monotonic()
        await peers.stop()
        assert time.monotonic() - started < SLOW.close_s * 0.8
        assert peers._links["node1"]._opening is None
        assert peers._links["node1"].connection is None
    for accepted in raw.all:
        assert await accepted.is_closed()


async def test_stopping_says_nothing_alarming(cluster, events):
    """A node that stops in order warns of nothing."""
    listener = await cluster.listener(Inbox())
    peers = await cluster.peers(listener.port)
    await until(lambda: peers.is_up("node1"))
    await peers.stop()
    await peers.stop()
    assert not peers.is_up("node1")
    assert not [line for line in events() if not line.startswith("info")]


async def test_a_connect_that_takes_too_long_is_given_up(cluster, monkeypatch):
    """A host that swallows packets costs `connect_s`, then the next attempt."""
    timings = msgspec.structs.replace(QUICK, connect_s=0.05)
    peers = await cluster.peers(free_port(), timings=timings)
    link = peers._links["node1"]

    async def hang(connection):
        await asyncio.sleep(inf)

    monkeypatch.setattr(link, "_open", hang)
    failed = peers.statistics()["node1"].attempts_failed
    await until(lambda: peers.statistics()["node1"].attempts_failed >= failed + 2)
    assert "took too long" in link._told
