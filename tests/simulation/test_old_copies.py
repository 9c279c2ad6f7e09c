"""Disks put back from another time, in simulated clusters: an older copy is known, whatever else may look like one."""

from __future__ import annotations

import pytest

from dynamo.simulation.cluster import Cluster, Shape
from dynamo.simulation.disk import DiskHabits, PlatterCopy
from dynamo.simulation.network import Weather
from dynamo.simulation.world import World

MEETING_S = 5.0
"""By then nodes that can reach each other have connected."""


class Story:
    """A cluster of three whose first node gets other disks."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed)
        self.cluster = Cluster(self.world, Shape(), Weather(), DiskHabits())

    async def begin(self) -> None:
        self.cluster.start_all()
        await self.world.sleep(MEETING_S)

    async def restart(self, *, cleanly: bool) -> None:
        await self.end(cleanly=cleanly)
        self.cluster.start("n1")
        await self.world.sleep(MEETING_S)

    async def end(self, *, cleanly: bool) -> None:
        if cleanly:
            await self.cluster.stop("n1")
        else:
            self.cluster.crash("n1")

    async def put_back(self, copy: PlatterCopy, *, cleanly: bool) -> None:
        """End n1, and let it live again on another disk."""
        await self.end(cleanly=cleanly)
        self.cluster.put_back("n1", copy)
        self.cluster.start("n1")
        await self.world.sleep(MEETING_S)

    def is_in(self) -> bool:
        """Whether n1 runs, and the others talk to it."""
        running = self.cluster.running
        return "n1" in running and all(running[other].node.peers.is_up("n1") for other in ("n2", "n3"))


@pytest.fixture(params=[1, 2, 3])
def story(request) -> Story:
    return Story(request.param)


@pytest.mark.parametrize("cleanly", [True, False])
def test_an_older_copy_ends_itself(story: Story, cleanly: bool):
    """Made while the node was down, put back after it had run again: its next life is refused and gone in seconds."""

    async def main() -> None:
        await story.begin()
        await story.end(cleanly=cleanly)
        copy = story.cluster.copy_disk("n1")
        story.cluster.start("n1")
        await story.world.sleep(MEETING_S)
        await story.put_back(copy, cleanly=cleanly)
        assert "n1" not in story.cluster.running
        assert len(story.cluster.refused) == 1

    story.world.run(main())


def test_a_copy_of_a_running_node_is_one_too(story: Story):
    """Its next number of starts is one that another run had already."""

    async def main() -> None:
        await story.begin()
        copy = story.cluster.copy_disk("n1")
        await story.restart(cleanly=True)
        await story.put_back(copy, cleanly=True)
        assert "n1" not in story.cluster.running

    story.world.run(main())


def test_a_wiped_node_comes_back_as_another(story: Story):
    """An empty disk is a new store and welcome; the disk it had before is then an older copy."""

    async def main() -> None:
        await story.begin()
        await story.end(cleanly=True)
        former = story.cluster.copy_disk("n1")
        story.cluster.wipe("n1")
        story.cluster.start("n1")
        await story.world.sleep(MEETING_S)
        assert story.is_in()
        assert story.cluster.refused == []
        await story.put_back(former, cleanly=True)
        assert len(story.cluster.refused) == 1

    story.world.run(main())


def test_the_memory_outlives_the_nodes_that_have_it(story: Story):
    """All others restart between: what they knew is on their disks."""

    async def main() -> None:
        await story.begin()
        copy = story.cluster.copy_disk("n1")
        await story.restart(cleanly=False)
        await story.end(cleanly=False)
        for other in ("n2", "n3"):
            story.cluster.crash(other)
        story.cluster.put_back("n1", copy)
        story.cluster.start_all()
        await story.world.sleep(MEETING_S)
        assert "n1" not in story.cluster.running
        assert len(story.cluster.refused) == 1

    story.world.run(main())


def test_crashes_stops_and_cuts_look_like_no_copy(story: Story):
    """Whatever the order: a node that kept its disk is always let in again."""

    async def main() -> None:
        await story.begin()
        for cleanly in (True, False, False, True):
            await story.restart(cleanly=cleanly)
            assert story.is_in()
            story.cluster.network.cut("n1", "n2")
            await story.world.sleep(MEETING_S)
            story.cluster.network.mend_all()
            await story.world.sleep(MEETING_S)
            assert story.is_in()
        assert story.cluster.refused == []

    story.world.run(main())
