"""All replicas of a key away, twice: what those who stood in have taken is there in the end, and nothing hides it."""

import pytest

from dynamo.protocol.commands import WriteOutcome
from dynamo.simulation.cluster import Shape
from tests.simulation.stage import Stage, play

pytestmark = pytest.mark.simulation

KEY = b"k"


async def away(stage: Stage) -> str:
    """Take power from all replicas of the key; a node that stands in for them."""
    primaries = stage.primaries(KEY)
    for node in primaries:
        stage.cluster.crash(node)
    others = [node for node in stage.cluster.ids if node not in primaries]
    nodes = [stage.cluster.running[node].node for node in others]
    await stage.until(lambda: not any(n.liveness.is_alive(p) for n in nodes for p in primaries), 30)
    return others[0]


async def back(stage: Stage) -> None:
    """All are up again, and have been given their hints."""
    stage.cluster.start_all()
    await stage.connected()
    nodes = [running.node for running in stage.cluster.running.values()]
    await stage.until(lambda: not any(node.hints.targets() for node in nodes), 120)


def test_two_writes_of_one_that_stood_in_twice_are_both_there():
    """Its first hint was delivered in between: it knows nothing of it any more, and mints as somebody else.

    With the same actor the second write's clock would cover the first one's dot, and hide its value.
    """

    async def story(stage: Stage) -> None:
        at = await away(stage)
        assert isinstance(await stage.write(at, KEY, b"first"), WriteOutcome)
        await back(stage)
        assert await away(stage) == at
        assert isinstance(await stage.write(at, KEY, b"second"), WriteOutcome)
        await back(stage)
        primaries = stage.primaries(KEY)
        await stage.until(lambda: all(stage.values(p, KEY) == {b"first", b"second"} for p in primaries), 60)

    play(story, Shape(nodes=5))


def test_what_was_deleted_while_all_were_away_is_deleted():
    """With the context of what was read before; the tombstone reaches every replica."""

    async def story(stage: Stage) -> None:
        written = await stage.write(stage.primaries(KEY)[0], KEY, b"v", w=3)
        assert isinstance(written, WriteOutcome)
        seen = stage.record(stage.primaries(KEY)[0], KEY)
        assert seen is not None
        at = await away(stage)
        assert isinstance(await stage.write(at, KEY, None, context=seen.clock), WriteOutcome)
        await back(stage)
        primaries = stage.primaries(KEY)
        await stage.until(lambda: all(stage.values(p, KEY) == {None} for p in primaries), 60)

    play(story, Shape(nodes=5))
