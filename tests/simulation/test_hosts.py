"""A machine ends, and with it all nodes that ran on it: with host labels every key is still to be had at R=W=2."""

import pytest

from dynamo.errors import DynamoError
from dynamo.protocol.commands import ReadOutcome, WriteOutcome
from dynamo.simulation.cluster import Shape
from tests.simulation.stage import BUCKET, Stage, play

pytestmark = pytest.mark.simulation

LABELS = ("h1", "h1", "h2", "h2", "h3", "h3")
"""Neighbours share a machine, so that placement which does not look at hosts puts copies side by side."""
KEYS = [b"key-%d" % number for number in range(48)]


async def refused_without_a_host(stage: Stage) -> set[bytes]:
    """Keys that cannot be written and read at W=R=2 among their primaries once n1 and n2 are gone.

    The nodes that are left take turns as coordinators. They have noticed that the connections are gone; a request that
    was on its way through one of the two has an unknown outcome, whatever the placement.
    """
    for key in KEYS:
        assert isinstance(await stage.write("n3", key, b"before"), WriteOutcome)
    for node in ("n1", "n2"):
        stage.cluster.crash(node)
    left = [node for node in stage.cluster.ids if node not in ("n1", "n2")]
    nodes = [stage.cluster.running[node].node for node in left]
    await stage.until(lambda: not any(n.liveness.is_alive(gone) for n in nodes for gone in ("n1", "n2")), 10)
    refused = set()
    for number, key in enumerate(KEYS):
        written = await stage.write(left[number % 4], key, b"after", sloppy=False)
        read = await stage.read(left[(number + 1) % 4], key, sloppy=False)
        if isinstance(written, DynamoError) or not isinstance(read, ReadOutcome):
            refused.add(key)
    return refused


def test_the_end_of_a_host_takes_no_key_away():
    """Both its nodes at once; strict quorums."""

    async def story(stage: Stage) -> None:
        assert await refused_without_a_host(stage) == set()

    play(story, Shape(nodes=6, host_labels=LABELS))


def test_without_labels_it_does():
    """The same nodes as hosts of their own: some key has two of its three copies on the two that end."""

    async def story(stage: Stage) -> None:
        lost = await refused_without_a_host(stage)
        lists = stage.cluster.running["n3"].node.preference
        both = {key for key in KEYS if {"n1", "n2"} <= set(lists.primaries(lists.partition(BUCKET, key), 3))}
        assert lost == both != set()

    play(story, Shape(nodes=6))
