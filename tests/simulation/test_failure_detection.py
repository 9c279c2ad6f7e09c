"""Failure detection on whole nodes: who is found, who comes back, and who is never accused."""

from __future__ import annotations

import pytest

from dynamo.membership.detector import Change
from dynamo.membership.view import State
from dynamo.simulation.cluster import Shape
from tests.simulation.stage import Stage, play

pytestmark = pytest.mark.simulation

FOUND_S = 10.0
BACK_S = 3.0
FIVE = Shape(nodes=5)


class Watch:
    """Every death and suspicion that any node believed in, since it began."""

    def __init__(self, stage: Stage) -> None:
        self._cluster = stage.cluster
        self.deaths: set[tuple[str, str]] = set()
        self.suspects: set[str] = set()
        for name, running in stage.cluster.running.items():
            running.node.probing.on_change = lambda change, name=name: self._note(name, change)

    def _note(self, watcher: str, change: Change) -> None:
        subject, state = change.saying.node, change.saying.state
        if subject != watcher and state == State.DEAD:
            self.deaths.add((watcher, subject))
        elif subject != watcher and state == State.SUSPECT:
            self.suspects.add(subject)

    @property
    def dead(self) -> set[str]:
        """Who was held dead by anybody."""
        return {subject for _, subject in self.deaths}


def others(stage: Stage, *absent: str) -> list[str]:
    return [node for node in stage.cluster.ids if node not in absent]


def holds_dead(stage: Stage, watcher: str) -> list[str]:
    return sorted(stage.cluster.running[watcher].node.detector.dead)


def held_dead_by(stage: Stage, watchers: list[str], subjects: list[str]) -> bool:
    return all(holds_dead(stage, watcher) == subjects for watcher in watchers)


@pytest.mark.parametrize("nodes", [3, 5, 9])
def test_a_paused_node_is_found_and_comes_back(nodes: int):
    """By everyone, within seconds, while its connections stay; nobody else is suspected, also not by itself."""

    async def story(stage: Stage) -> None:
        watch = Watch(stage)
        stage.cluster.network.weather.silent_s = 0.0
        rest = others(stage, "n1")
        for _ in range(2):
            stage.cluster.pause("n1")
            await stage.until(lambda: held_dead_by(stage, rest, ["n1"]), FOUND_S)
            assert stage.cluster.running[rest[0]].node.peers.is_up("n1")
            assert not stage.cluster.running[rest[0]].node.liveness.is_alive("n1")
            await stage.world.sleep(30)
            stage.cluster.resume("n1")
            await stage.until(lambda: held_dead_by(stage, stage.cluster.ids, []), BACK_S)
            await stage.world.sleep(20)
        assert watch.deaths == {(watcher, "n1") for watcher in rest}
        assert watch.suspects == {"n1"}

    play(story, Shape(nodes=nodes))


def test_a_paused_node_whose_peers_hung_up_comes_back_too():
    """After a minute; the transport gave up its connections meanwhile."""

    async def story(stage: Stage) -> None:
        stage.cluster.pause("n2")
        await stage.until(lambda: held_dead_by(stage, ["n1", "n3"], ["n2"]), FOUND_S)
        assert not stage.cluster.running["n1"].node.peers.is_up("n2")
        await stage.world.sleep(60)
        stage.cluster.resume("n2")
        await stage.until(lambda: held_dead_by(stage, stage.cluster.ids, []), BACK_S)

    play(story)


def test_short_stalls_kill_nobody():
    """Neither the node that stalled nor, after it, anybody whom it could not hear meanwhile."""

    async def story(stage: Stage) -> None:
        watch = Watch(stage)
        for number in range(60):
            node = stage.cluster.ids[number % 5]
            stage.cluster.pause(node)
            await stage.world.sleep(0.1 * (1 + number % 20))
            stage.cluster.resume(node)
            await stage.world.sleep(1.0)
        assert watch.deaths == set()

    play(story, FIVE)


def test_two_of_five_paused_at_once():
    """Both are found by the three others, and nobody else is suspected."""

    async def story(stage: Stage) -> None:
        watch = Watch(stage)
        rest = others(stage, "n1", "n4")
        stage.cluster.pause("n1")
        stage.cluster.pause("n4")
        await stage.until(lambda: held_dead_by(stage, rest, ["n1", "n4"]), 2 * FOUND_S)
        await stage.world.sleep(20)
        stage.cluster.resume("n1")
        stage.cluster.resume("n4")
        await stage.until(lambda: held_dead_by(stage, stage.cluster.ids, []), BACK_S)
        await stage.world.sleep(30)
        assert watch.deaths == {(watcher, node) for watcher in rest for node in ("n1", "n4")}

    play(story, FIVE)


@pytest.mark.parametrize(("source", "target"), [("n1", "n2"), ("n2", "n1")])
def test_a_link_that_is_cut_in_one_direction_kills_nobody(source: str, target: str):
    """The third node sees both; the two at the ends do not ask each other, since neither hears the other's answers."""

    async def story(stage: Stage) -> None:
        watch = Watch(stage)
        stage.cluster.network.cut(source, target)
        await stage.world.sleep(120)
        assert watch.deaths == set()
        assert not stage.cluster.running["n1"].node.liveness.is_alive("n2")
        assert stage.cluster.running["n3"].node.liveness.is_alive("n1")
        assert stage.cluster.running["n3"].node.liveness.is_alive("n2")
        stage.cluster.network.mend_all()
        await stage.until(lambda: stage.cluster.running["n1"].node.liveness.is_alive("n2"), BACK_S)

    play(story)


async def slowed(stage: Stage, node: str, delay_s: float) -> Watch:
    """Five minutes in which all messages from and to a node come so much later; what was believed meanwhile."""
    watch = Watch(stage)
    for other in others(stage, node):
        stage.cluster.network.delays[node, other] = stage.cluster.network.delays[other, node] = delay_s
    await stage.world.sleep(300)
    return watch


@pytest.mark.parametrize("nodes", [3, 5])
def test_a_slow_node_is_not_dead(nodes: int):
    """300 ms later than usual each way: its answers are awaited to the end of the round."""

    async def story(stage: Stage) -> None:
        watch = await slowed(stage, "n1", 0.3)
        assert watch.deaths == set()
        assert watch.suspects == set()

    play(story, Shape(nodes=nodes))


@pytest.mark.parametrize("seed", range(1, 9))
def test_a_very_slow_node_is_suspected_at_most(seed: int):
    """700 ms each way: no probe of it is answered within its round, but it hears of each suspicion, and who holds it
    suspect hears its contradiction, in time.
    """

    async def story(stage: Stage) -> None:
        watch = await slowed(stage, "n1", 0.7)
        assert watch.deaths == set()
        assert "n1" in watch.suspects

    play(story, FIVE, seed)


def test_a_flapping_node_harms_nobody_else():
    """Now here, now gone, with pauses of all lengths; at the end everybody is alive."""

    async def story(stage: Stage) -> None:
        watch = Watch(stage)
        for number in range(40):
            stage.cluster.pause("n3")
            await stage.world.sleep(0.5 + number % 12)
            stage.cluster.resume("n3")
            await stage.world.sleep(0.3 + number % 5)
        await stage.until(lambda: held_dead_by(stage, stage.cluster.ids, []), BACK_S)
        assert watch.dead <= {"n3"}
        assert watch.suspects == {"n3"}

    play(story, FIVE)


@pytest.mark.parametrize("heal_after_s", [0.0, 60.0])
def test_a_node_that_was_cut_off_does_not_spread_its_belief(heal_after_s: float):
    """It holds all others dead; once it is back, nobody dies of that."""

    async def story(stage: Stage) -> None:
        watch = Watch(stage)
        for other in others(stage, "n1"):
            stage.cluster.network.cut("n1", other)
            stage.cluster.network.cut(other, "n1")
        await stage.until(lambda: holds_dead(stage, "n1") == others(stage, "n1"), 60)
        assert held_dead_by(stage, others(stage, "n1"), ["n1"])
        await stage.world.sleep(heal_after_s)
        stage.cluster.network.mend_all()
        await stage.until(lambda: held_dead_by(stage, stage.cluster.ids, []), BACK_S)
        await stage.world.sleep(30)
        assert {subject for watcher, subject in watch.deaths if watcher != "n1"} == {"n1"}

    play(story, FIVE)


@pytest.mark.parametrize("back_s", [0.0, 3600.0])
def test_a_node_that_was_killed_is_alive_after_its_start(back_s: float):
    """Nobody asks it from the moment its connections end; its new run is believed, even with its clock set back."""

    async def story(stage: Stage) -> None:
        stage.cluster.crash("n2")
        await stage.until(lambda: not stage.cluster.running["n1"].node.liveness.is_alive("n2"), 1.0)
        await stage.until(lambda: held_dead_by(stage, ["n1", "n3"], ["n2"]), FOUND_S)
        stage.cluster.skew("n2", int(-1000 * back_s))
        stage.cluster.start("n2")
        await stage.until(lambda: held_dead_by(stage, stage.cluster.ids, []), BACK_S)
        await stage.world.sleep(30)
        assert held_dead_by(stage, stage.cluster.ids, [])

    play(story)


def test_requests_go_round_a_dead_node():
    """A quorum read that would wait for it answers at once, as soon as it is held dead."""

    async def story(stage: Stage) -> None:
        stage.cluster.network.weather.silent_s = 0.0
        await stage.write("n1", b"k", b"v")
        stage.cluster.pause("n2")
        await stage.until(lambda: held_dead_by(stage, ["n1", "n3"], ["n2"]), FOUND_S)
        for number in range(50):
            begun = stage.world.now()
            assert not isinstance(await stage.read("n1", b"k"), Exception)
            assert not isinstance(await stage.write("n3", b"k%d" % number, b"v"), Exception)
            assert stage.world.now() - begun < 0.1

    play(story)


def test_a_node_that_was_stopped_does_not_count_the_time_of_others():
    """It suspected one, and was paused itself until that one's time was over: the suspect could not be heard."""

    async def story(stage: Stage) -> None:
        stage.cluster.pause("n2")
        watcher = stage.cluster.running["n1"].node
        await stage.until(lambda: watcher.detector.suspects() == ["n2"], FOUND_S)
        stage.cluster.pause("n1")
        for source, target in (("n1", "n2"), ("n2", "n1")):
            stage.cluster.network.cut(source, target)
        await stage.world.sleep(5)
        stage.cluster.resume("n2")
        await stage.world.sleep(30)
        watch = Watch(stage)
        stage.cluster.network.mend_all()
        stage.cluster.resume("n1")
        await stage.world.sleep(30)
        assert "n2" not in watch.dead
        assert held_dead_by(stage, stage.cluster.ids, [])

    play(story)


def test_a_node_that_was_stopped_takes_no_unread_answer_for_silence():
    """Its timers come all at once when it goes on, before the answers that came meanwhile."""

    async def story(stage: Stage) -> None:
        for other in others(stage, "n1"):
            stage.cluster.network.delays[other, "n1"] = 0.1
        watch = Watch(stage)
        watcher = stage.cluster.running["n1"].node
        for number in range(100):
            stage.cluster.pause("n1")
            await stage.world.sleep(1.3)
            stage.cluster.resume("n1")
            await stage.world.sleep(1.0 + 0.003 * number)
        assert watch.suspects <= {"n1"}
        assert watcher.metrics.probes["late"].value > 5

    play(story)
