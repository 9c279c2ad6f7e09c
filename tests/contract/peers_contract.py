"""What every network under `ports.Peers` must do. Each claim is played on a stage: nodes that come, go and talk.

A network joins the suite with a *play*: a function that runs one claim to its end on a fresh stage, in whatever loop
and time the network lives in (`test_peers.py` has the plays). Claims wait for conditions in the stage's own time, and
know nothing of sockets. They hold without faults on the way; what a network does under loss or reordering is its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from dynamo.errors import Applied, StorageFull
from dynamo.ports import Respond
from dynamo.protocol.codec import refusal
from dynamo.protocol.effects import PeerFailure
from dynamo.protocol.messages import Fetch, Fetched, Message, Store, Stored
from tests.contract.peers_stage import (
    LATE_S,
    PATIENCE_S,
    Crowd,
    Node,
    Receiver,
    Stage,
    echo,
    pair,
    settle,
    until,
)

Claim = Callable[[Stage], Awaitable[None]]
Play = Callable[[Claim], None]
CLAIMS: list[Claim] = []


def claim(function: Claim) -> Claim:
    CLAIMS.append(function)
    return function


@claim
async def a_request_arrives_as_it_was_sent(stage: Stage) -> None:
    """Sender, epoch, message and trace are the sender's; the deadline is the same moment on the receiver's clock."""
    stage.epoch = 7
    node = Node(echo)
    peers = await pair(stage, node)
    receiver = Receiver(stage)
    deadline = stage.now() + 5
    peers.send("node2", Fetch("carts", b"\x00\xffkey"), deadline, "req-1", receiver)
    await until(stage, lambda: receiver.calls > 0)
    ((peer, epoch, message, arrived_deadline, trace),) = node.taken
    assert (peer, epoch, message, trace) == ("node1", 7, Fetch("carts", b"\x00\xffkey"), "req-1")
    assert abs(arrived_deadline - deadline) < LATE_S


@claim
async def a_reply_reaches_its_receiver_once(stage: Stage) -> None:
    """One call, naming the peer, with the reply as it was given."""
    peers = await pair(stage, Node(echo))
    receiver = Receiver(stage)
    peers.send("node2", Fetch("b", b"k"), stage.now() + 1, "", receiver)
    await until(stage, lambda: receiver.calls > 0)
    await settle(stage, 1 + LATE_S)
    assert (receiver.replies, receiver.errors, receiver.peers) == ([Fetched(b"k")], [], ["node2"])


@claim
async def nothing_is_called_before_send_returns(stage: Stage) -> None:
    """Whether the peer is up, down, unknown, or the deadline over."""
    peers = await pair(stage, Node(echo))
    receivers = []
    for peer, left_s in (("node2", 1.0), ("node3", 1.0), ("node9", 1.0), ("node2", 0.0), ("node2", -1.0)):
        receiver = Receiver(stage)
        peers.send(peer, Fetch("b", b"k"), stage.now() + left_s, "", receiver)
        assert receiver.calls == 0
        receivers.append(receiver)
    await until(stage, lambda: all(receiver.calls == 1 for receiver in receivers))


@claim
async def a_peer_that_is_down_costs_one_failure_at_once(stage: Stage) -> None:
    """DOWN, which promises that nothing happened, long before the deadline; so does a name that is no member's."""
    peers = await stage.start("node1", Node())
    for peer in ("node3", "node9"):
        assert not peers.is_up(peer)
        receiver = Receiver(stage)
        sent_at = stage.now()
        peers.send(peer, Fetch("b", b"k"), sent_at + 5, "", receiver)
        await until(stage, lambda receiver=receiver: receiver.calls > 0)
        assert receiver.failure is PeerFailure.DOWN
        assert not receiver.errors[0].may_have_applied
        assert receiver.at - sent_at < LATE_S
        await settle(stage, 0.2)
        assert receiver.calls == 1


@claim
async def replies_find_their_requests_in_any_order(stage: Stage) -> None:
    """Answered last to first, each receiver has the reply to its own request."""
    node = Node()
    peers = await pair(stage, node)
    receivers = [Receiver(stage) for _ in range(200)]
    for number, receiver in enumerate(receivers):
        peers.send("node2", Fetch("b", b"%d" % number), stage.now() + 5, "", receiver)
    await until(stage, lambda: len(node.taken) == 200)
    for (_, _, message, _, _), respond in reversed(list(zip(node.taken, node.responds, strict=True))):
        respond(echo(message))
    await until(stage, lambda: all(receiver.calls == 1 for receiver in receivers))
    assert [receiver.replies for receiver in receivers] == [[Fetched(b"%d" % number)] for number in range(200)]


@claim
async def both_directions_work_at_once(stage: Stage) -> None:
    """Each node asks the other while it is asked."""
    one = await stage.start("node1", Node(echo))
    two = await stage.start("node2", Node(echo))
    await until(stage, lambda: one.is_up("node2") and two.is_up("node1"))
    receivers = [Receiver(stage) for _ in range(100)]
    for number, receiver in enumerate(receivers):
        peers, target = ((one, "node2"), (two, "node1"))[number % 2]
        peers.send(target, Fetch("b", b"%d" % number), stage.now() + 5, "", receiver)
    await until(stage, lambda: all(receiver.calls == 1 for receiver in receivers))
    assert [receiver.replies for receiver in receivers] == [[Fetched(b"%d" % number)] for number in range(100)]


@claim
async def silence_ends_at_the_deadline(stage: Stage) -> None:
    """TIMEOUT, not before the deadline and shortly after it; it may have been applied. Each request has its own."""
    peers = await pair(stage, Node())
    sent = []
    for left_s in (0.6, 0.2, 0.4):
        receiver = Receiver(stage)
        deadline = stage.now() + left_s
        peers.send("node2", Fetch("b", b"k"), deadline, "", receiver)
        sent.append((receiver, deadline))
    await until(stage, lambda: all(receiver.calls > 0 for receiver, _ in sent))
    for receiver, deadline in sent:
        assert receiver.failure is PeerFailure.TIMEOUT
        assert receiver.errors[0].may_have_applied
        assert deadline <= receiver.at < deadline + LATE_S


@claim
async def an_answer_after_the_deadline_is_dropped(stage: Stage) -> None:
    """The receiver has had its one call."""
    node = Node()
    peers = await pair(stage, node)
    receiver = Receiver(stage)
    peers.send("node2", Fetch("b", b"k"), stage.now() + 0.1, "", receiver)
    await until(stage, lambda: receiver.calls > 0)
    node.responds[0](Fetched(b"late"))
    await settle(stage, 0.5)
    assert (receiver.calls, receiver.failure) == (1, PeerFailure.TIMEOUT)
    assert peers.is_up("node2")


@claim
async def what_is_over_before_it_is_sent_is_never_sent(stage: Stage) -> None:
    """A deadline in the past fails, and the peer hears nothing of it."""
    node = Node(echo)
    peers = await pair(stage, node)
    receiver = Receiver(stage)
    peers.send("node2", Fetch("b", b"over"), stage.now() - 0.001, "", receiver)
    await until(stage, lambda: receiver.calls > 0)
    assert receiver.failure in (PeerFailure.DOWN, PeerFailure.TIMEOUT)
    await settle(stage, 0.2)
    assert node.taken == []
    assert receiver.calls == 1


@claim
async def a_refusal_is_a_failure_with_its_error(stage: Stage) -> None:
    """The error of the catalogue comes out as it went in, members included."""
    peers = await pair(stage, Node(lambda _: refusal(StorageFull("no room", free_bytes=12))))
    receiver = Receiver(stage)
    peers.send("node2", Fetch("b", b"k"), stage.now() + 5, "", receiver)
    await until(stage, lambda: receiver.calls > 0)
    assert receiver.failure is PeerFailure.REFUSED
    error = receiver.errors[0].error
    assert isinstance(error, StorageFull)
    assert (error.detail, error.members, error.applied) == ("no room", {"free_bytes": 12}, Applied.NO)


@claim
async def a_second_answer_changes_nothing(stage: Stage) -> None:
    """A node that answers twice is wrong, and may be told so; the receiver hears the first answer only."""
    node = Node()
    peers = await pair(stage, node)
    receiver = Receiver(stage)
    peers.send("node2", Fetch("b", b"k"), stage.now() + 1, "", receiver)
    await until(stage, lambda: len(node.taken) == 1)
    node.responds[0](Fetched(b"first"))
    try:
        node.responds[0](Fetched(b"second"))
    except AssertionError as told:
        assert "twice" in str(told)  # noqa: PT017 - a network may raise here, or not
    await until(stage, lambda: receiver.calls > 0)
    await settle(stage, 0.3)
    assert (receiver.replies, receiver.errors) == ([Fetched(b"first")], [])


@claim
async def a_crash_loses_what_was_in_flight(stage: Stage) -> None:
    """Every receiver has one LOST, before the deadline; soon the peer is down."""
    node = Node()
    peers = await pair(stage, node)
    receivers = [Receiver(stage) for _ in range(50)]
    deadline = stage.now() + PATIENCE_S
    for receiver in receivers:
        peers.send("node2", Store("b", b"k", b"record"), deadline, "", receiver)
    await until(stage, lambda: len(node.taken) == 50)
    await stage.crash("node2")
    await until(stage, lambda: all(receiver.calls > 0 for receiver in receivers))
    await until(stage, lambda: not peers.is_up("node2"))
    await settle(stage, 0.3)
    assert {receiver.failure for receiver in receivers} == {PeerFailure.LOST}
    assert {receiver.calls for receiver in receivers} == {1}
    assert all(receiver.errors[0].may_have_applied for receiver in receivers)


@claim
async def a_node_that_comes_back_is_found_again(stage: Stage) -> None:
    """Without anybody's help, and requests work as before."""
    peers = await pair(stage, Node())
    for _ in range(2):
        await stage.crash("node2")
        await until(stage, lambda: not peers.is_up("node2"))
        await stage.start("node2", Node(echo))
        await until(stage, lambda: peers.is_up("node2"))
        receiver = Receiver(stage)
        peers.send("node2", Fetch("b", b"again"), stage.now() + 5, "", receiver)
        await until(stage, lambda receiver=receiver: receiver.calls > 0)
        assert receiver.replies == [Fetched(b"again")]


@claim
async def an_answer_to_a_node_that_is_gone_is_harmless(stage: Stage) -> None:
    """The handler need not know; the node goes on serving others, and the asker's next life."""
    node = Node()
    peers = await pair(stage, node)
    peers.send("node2", Fetch("b", b"k"), stage.now() + 5, "", Receiver(stage))
    await until(stage, lambda: len(node.taken) == 1)
    await stage.crash("node1")
    await settle(stage, 0.3)
    node.responds[0](Fetched(b"k"))
    peers = await stage.start("node1", Node())
    await until(stage, lambda: peers.is_up("node2"))
    receiver = Receiver(stage)
    peers.send("node2", Fetch("b", b"next"), stage.now() + 5, "", receiver)
    await until(stage, lambda: len(node.taken) == 2)
    node.responds[1](Fetched(b"next"))
    await until(stage, lambda: receiver.calls > 0)
    assert receiver.replies == [Fetched(b"next")]


@claim
async def large_values_pass_through_untouched(stage: Stage) -> None:
    """Eight MiB there and back, and small messages around them."""
    record = bytes(range(256)) * (8 * 4096)

    def store(message: Message) -> Message:
        return Fetched(message.record) if isinstance(message, Store) else echo(message)

    peers = await pair(stage, Node(store))
    small, large, last = Receiver(stage), Receiver(stage), Receiver(stage)
    deadline = stage.now() + PATIENCE_S
    peers.send("node2", Fetch("b", b"small"), deadline, "", small)
    peers.send("node2", Store("b", b"k", record), deadline, "", large)
    peers.send("node2", Fetch("b", b"last"), deadline, "", last)
    await until(stage, lambda: small.calls + large.calls + last.calls == 3)
    assert (small.replies, last.replies) == ([Fetched(b"small")], [Fetched(b"last")])
    assert large.replies == [Fetched(record)]


@claim
async def every_send_has_one_outcome_whatever_happens(stage: Stage) -> None:
    """Peers crash and return while requests with all sorts of deadlines are sent: one call for each of them.

    In the first round everybody is up until there were answers and time-outs, and at the end everybody is down, so
    these three kinds do not depend on how fast anything is. The rounds between are left to chance.
    """
    answers = [0]

    def sometimes(peer: str, epoch: int, message: Message, deadline: float, trace: str, respond: Respond) -> None:
        answers[0] += 1
        if answers[0] % 3:
            respond(Stored())

    crowd = Crowd(stage, await stage.start("node1", Node()))
    for round_ in range(8):
        for node in ("node2", "node3"):
            await stage.start(node, sometimes)
        if round_ == 0:
            await until(stage, lambda: all(crowd.up()))
        await settle(stage, 0.05 * round_)
        await crowd.send_many(round_)
        if round_ == 0:
            await until(stage, lambda: {None, PeerFailure.TIMEOUT} <= crowd.kinds())
        for node in ("node2", "node3"):
            await stage.crash(node)
    await until(stage, lambda: not any(crowd.up()))
    await crowd.send_many(-1)
    await until(stage, lambda: all(crowd.calls()))
    await settle(stage, 0.7 + LATE_S)
    assert set(crowd.calls()) == {1}
    assert {None, PeerFailure.DOWN, PeerFailure.TIMEOUT} <= crowd.kinds()
    assert crowd.latest_s() < LATE_S + crowd.lag_s
    await crowd.end()
