"""What the simulated network does to messages beyond the contract of `Peers`: loss, repeats, cuts, late news."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import pytest

from dynamo.errors import StorageFull
from dynamo.ports import Respond
from dynamo.protocol.codec import refusal
from dynamo.protocol.effects import PeerError, PeerFailure
from dynamo.protocol.messages import Fetch, Fetched, Message
from dynamo.simulation.network import Network, SimulatedPeers, Weather
from dynamo.simulation.world import Life, SimulatedClock, World


class Answers:
    """Receiver that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Message | PeerFailure] = []

    def on_reply(self, peer: str, message: Message) -> None:
        self.told.append(message)

    def on_failure(self, peer: str, error: PeerError) -> None:
        self.told.append(error.failure)


class Town:
    """Nodes on one network; each answers a Fetch with its key, as often as it is asked."""

    def __init__(self, weather: Weather, nodes: tuple[str, ...] = ("n1", "n2")) -> None:
        self.world = World(3)
        self.network = Network(self.world, weather)
        self.lives: dict[str, Life] = {}
        self.peers: dict[str, SimulatedPeers] = {}
        self.asked: list[bytes] = []
        self.answer = Fetched
        for node in nodes:
            self.start(node)

    def start(self, node: str) -> None:
        self.lives[node] = Life(node, len(self.lives) + 1 if node not in self.lives else self.lives[node].number + 100)
        clock = SimulatedClock(self.world, self.lives[node])
        self.peers[node] = self.network.attach(self.lives[node], clock, lambda: 1)
        self.network.listen(node, self.take)

    def crash(self, node: str) -> None:
        self.lives[node].alive = False
        self.network.detach(node)

    def take(self, peer: str, epoch: int, message: Message, deadline: float, trace: str, respond: Respond) -> None:
        assert isinstance(message, Fetch)
        self.asked.append(message.key)
        respond(self.answer(message.key))

    def send(self, key: bytes, timeout_s: float = 5.0) -> Answers:
        answers = Answers()
        peers = self.peers["n1"]
        peers.send("n2", Fetch("b", key), peers._clock.monotonic() + timeout_s, "", answers)
        return answers

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        self.world.run(main)
        assert self.world.unhandled == []


def test_lost_messages_end_by_their_deadline():
    """A third gets lost each way: some are answered, the others time out, each receiver is told once."""
    town = Town(Weather(loss=0.33))

    async def main() -> None:
        await town.world.sleep(2)
        sent = [town.send(b"%d" % number, timeout_s=1.0) for number in range(300)]
        await town.world.sleep(2)
        told = [answers.told for answers in sent]
        assert all(len(each) == 1 for each in told)
        lost = told.count([PeerFailure.TIMEOUT])
        assert 120 < lost < 210
        assert len(town.asked) > 300 - lost

    town.run(main())


def test_a_request_that_arrives_twice_is_answered_once():
    """The node is asked twice, the receiver hears one answer."""
    town = Town(Weather(duplicate=1.0))

    async def main() -> None:
        await town.world.sleep(2)
        answers = town.send(b"k")
        await town.world.sleep(2)
        assert town.asked == [b"k", b"k"]
        assert answers.told == [Fetched(b"k")]

    town.run(main())


@pytest.mark.parametrize("refused_first", [True, False])
def test_a_refusal_means_that_nothing_happened(refused_first: bool):
    """The second copy of a refused request is not delivered; the refusal of a second copy is not passed on."""
    town = Town(Weather(duplicate=1.0, straggle=0.5))

    def answer(key: bytes) -> Message:
        refuse = (town.asked.count(key) == 1) is refused_first
        return refusal(StorageFull("no room")) if refuse else Fetched(key)

    town.answer = answer

    async def main() -> None:
        await town.world.sleep(2)
        sent = [town.send(b"%d" % number) for number in range(50)]
        await town.world.sleep(6)
        expected = PeerFailure.REFUSED if refused_first else Fetched
        for answers in sent:
            (told,) = answers.told
            assert told is expected or isinstance(told, Fetched)
        assert len(town.asked) == (50 if refused_first else 100)

    town.run(main())


@pytest.mark.parametrize("in_order", [True, False])
def test_messages_overtake_each_other_only_where_they_may(in_order: bool):
    """On one connection they keep their order."""
    town = Town(Weather(straggle=0.3, in_order=in_order))

    async def main() -> None:
        await town.world.sleep(2)
        for number in range(100):
            town.send(b"%03d" % number)
        await town.world.sleep(2)
        assert len(town.asked) == 100
        assert (town.asked == sorted(town.asked)) is in_order

    town.run(main())


def test_a_cut_is_noticed_after_a_while_at_both_ends():
    """Before that a message vanishes; after it, asking costs nothing. One direction is enough; healing is noticed."""
    town = Town(Weather(notice_s=0.4))
    one, two = town.peers["n1"], town.peers["n2"]

    async def main() -> None:
        await town.world.sleep(2)
        town.network.cut("n2", "n1")
        early = town.send(b"early")
        assert one.is_up("n2")
        await town.world.sleep(0.5)
        assert not one.is_up("n2")
        assert not two.is_up("n1")
        late = town.send(b"late")
        await town.world.sleep(0.01)
        assert early.told == [PeerFailure.LOST]
        assert late.told == [PeerFailure.DOWN]
        assert town.asked == [b"early"]
        town.network.mend_all()
        await town.world.sleep(0.5)
        assert one.is_up("n2")
        assert two.is_up("n1")

    town.run(main())


def test_a_cut_that_ends_before_it_is_noticed_loses_what_was_on_its_way():
    """Nobody is told; the deadline is what ends it."""
    town = Town(Weather(notice_s=0.4, delay_s=0.01))

    async def main() -> None:
        await town.world.sleep(2)
        answers = town.send(b"k", timeout_s=1.0)
        town.network.cut("n1", "n2")
        await town.world.sleep(0.001)
        town.network._cut.clear()
        await town.world.sleep(0.9)
        assert town.peers["n1"].is_up("n2")
        town.network.cut("n1", "n2")
        other = town.send(b"l", timeout_s=0.02)
        await town.world.sleep(0.2)
        town.network._cut.clear()
        assert answers.told == [Fetched(b"k")]
        assert other.told in ([PeerFailure.TIMEOUT], [PeerFailure.LOST])

    town.run(main())


def test_a_crash_is_noticed_even_if_the_node_is_back_at_once():
    """The connection was to the life that ended."""
    town = Town(Weather(notice_s=0.4))

    async def main() -> None:
        await town.world.sleep(2)
        town.crash("n2")
        town.start("n2")
        answers = town.send(b"k")
        await town.world.sleep(1)
        assert answers.told == [PeerFailure.LOST]
        assert town.asked == []
        assert town.peers["n1"].is_up("n2")
        again = town.send(b"k")
        await town.world.sleep(1)
        assert again.told == [Fetched(b"k")]

    town.run(main())


def test_a_broken_connection_loses_what_waits_on_it():
    """Though the request was carried out."""
    town = Town(Weather(delay_s=0.05))

    async def main() -> None:
        await town.world.sleep(2)
        answers = town.send(b"k")
        town.network.reset("n1", "n2")
        assert answers.told == [PeerFailure.LOST]
        await town.world.sleep(1)
        assert town.asked == [b"k"]
        assert len(answers.told) == 1
        assert town.peers["n1"].is_up("n2")

    town.run(main())


def test_a_silent_node_is_found_out():
    """Requests that a living node took and never answered are named; those of a dead one are not held against it."""
    town = Town(Weather())
    town.take = lambda *_: None  # type: ignore[method-assign]
    town.network.listen("n2", town.take)

    async def main() -> None:
        await town.world.sleep(2)
        town.send(b"k")
        await town.world.sleep(20)
        assert town.network.unanswered(10) == ["n2 was asked a Fetch by n1"]
        assert town.network.unanswered(30) == []
        town.crash("n2")
        assert town.network.unanswered(0) == []

    town.run(main())


def test_a_node_that_answers_twice_is_found_out():
    """The second answer is not sent."""
    town = Town(Weather())

    def twice(peer: str, epoch: int, message: Message, deadline: float, trace: str, respond: Respond) -> None:
        respond(Fetched(b"one"))
        respond(Fetched(b"two"))

    town.network.listen("n2", twice)

    async def main() -> None:
        await town.world.sleep(2)
        answers = town.send(b"k")
        await town.world.sleep(2)
        assert answers.told == [Fetched(b"one")]

    town.run(main())
    assert town.network.breaches == ["answered-twice: n2 was asked a Fetch by n1"]


def pause(town: Town, node: str) -> None:
    town.lives[node].pause()
    town.network.paused(town.lives[node])


def test_a_paused_node_takes_messages_and_answers_when_it_is_resumed():
    """Its peers see it up; what they ask it times out, and is done all the same, in the order in which it came."""
    town = Town(Weather(silent_s=0.0))

    async def main() -> None:
        await town.world.sleep(2)
        pause(town, "n2")
        early = town.send(b"early", timeout_s=1.0)
        await town.world.sleep(0.5)
        late = town.send(b"late", timeout_s=60.0)
        await town.world.sleep(20)
        assert town.peers["n1"].is_up("n2")
        assert (early.told, late.told, town.asked) == ([PeerFailure.TIMEOUT], [], [])
        town.lives["n2"].resume(town.world)
        await town.world.sleep(1)
        assert (early.told, late.told) == ([PeerFailure.TIMEOUT], [Fetched(b"late")])
        assert town.asked == [b"early", b"late"]

    town.run(main())


def test_a_paused_node_hears_of_its_own_answers_late():
    """They wait in its socket, and so does the news of time-outs and of broken connections."""
    town = Town(Weather(silent_s=0.0))

    async def main() -> None:
        await town.world.sleep(2)
        answered = town.send(b"k", timeout_s=60.0)
        pause(town, "n1")
        await town.world.sleep(5)
        town.crash("n2")
        await town.world.sleep(5)
        assert answered.told == []
        town.lives["n1"].resume(town.world)
        await town.world.sleep(0.0)
        await town.world.sleep(0.0)
        assert answered.told == [Fetched(b"k")]
        await town.world.sleep(1)
        assert not town.peers["n1"].is_up("n2")

    town.run(main())


def test_a_node_that_is_paused_for_long_loses_its_connections():
    """Its peers take it to be silent, and get no other connection until it is resumed; then they do."""
    town = Town(Weather())

    async def main() -> None:
        await town.world.sleep(2)
        pause(town, "n2")
        waiting = town.send(b"k", timeout_s=60.0)
        await town.world.sleep(2.9)
        assert town.peers["n1"].is_up("n2")
        await town.world.sleep(1)
        assert not town.peers["n1"].is_up("n2")
        assert waiting.told == [PeerFailure.LOST]
        await town.world.sleep(20)
        assert not town.peers["n1"].is_up("n2")
        town.lives["n2"].resume(town.world)
        await town.world.sleep(1)
        assert town.peers["n1"].is_up("n2")

    town.run(main())


def test_a_short_pause_costs_no_connection():
    """Nor does another one that begins just before the first would have."""
    town = Town(Weather())

    async def main() -> None:
        await town.world.sleep(2)
        for _ in range(2):
            pause(town, "n2")
            await town.world.sleep(2)
            town.lives["n2"].resume(town.world)
        pause(town, "n2")
        await town.world.sleep(2)
        assert town.peers["n1"].is_up("n2")

    town.run(main())
