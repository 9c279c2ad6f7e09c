"""Several writers of one key, whose coordinator is killed: what was said of each change is what it did."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from dynamo.client import AsyncClient, Changed, NodeUnreachable, OutcomeUnknown, Value
from dynamo.errors import Applied, DynamoError, QuorumUnavailable
from tests.cluster.rig import ClusterRig, NodeProcess, running_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(90)]

PLACE = ("accounts", b"ada")
WRITERS = 4
CHANGES = 200
"""Fewer than a key remembers, so that what is asked about can be told."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ClusterRig]:
    with running_cluster(tmp_path) as running:
        yield running


async def test_what_was_said_of_each_change_is_what_it_did(cluster: ClusterRig) -> None:
    """Adds and updates; unknown ones are resolved. Every applied one counts once and has a version of its own; nothing
    else counts.
    """
    applied: list[int] = []
    async with AsyncClient(cluster.endpoints, timeout_s=2.0) as client:
        await client.put_bucket("accounts", mode="linearizable")
        location = await client.locate(*PLACE)
        first = next(node for node in cluster.nodes if node.id == location.replicas[0].node)
        writers = [_writer(client, applied, updates=number % 2 == 0) for number in range(WRITERS)]
        async with asyncio.timeout(60):
            await asyncio.gather(_killed_and_started(first, applied), *writers)
        found = await client.get(*PLACE, timeout_s=10.0)
    assert isinstance(found, Value)
    assert sorted(applied) == list(range(1, len(applied) + 1))
    assert int(found.value) == found.version == len(applied) >= CHANGES


async def _killed_and_started(node: NodeProcess, applied: list[int]) -> None:
    """Down while between a quarter and a half of the changes are made."""
    await _until(applied, CHANGES // 4)
    node.kill()
    await _until(applied, CHANGES // 2)
    node.start()


async def _until(applied: list[int], count: int) -> None:
    while len(applied) < count:
        await asyncio.sleep(0.01)


async def _writer(client: AsyncClient, applied: list[int], *, updates: bool) -> None:
    while len(applied) < CHANGES:
        try:
            applied.append(await (_update(client) if updates else _add(client)))
        except OutcomeUnknown as unknown:
            applied.extend(await _resolved(client, str(unknown.members["idempotency_key"])))
        except DynamoError as error:
            if error.members.get("applied", error.applied.value) != Applied.NO.value:
                raise
        await asyncio.sleep(0.01)


async def _add(client: AsyncClient) -> int:
    changed = await client.cas(*PLACE, add=1)
    assert isinstance(changed, Changed), "there was no condition"
    return changed.version


async def _update(client: AsyncClient) -> int:
    written = await client.update(*PLACE, lambda value: b"%d" % (int(value or b"0") + 1))
    assert written.version is not None, "the bucket is linearizable"
    return written.version


async def _resolved(client: AsyncClient, name: str) -> list[int]:
    """Ask until there is an answer: the version that the change made, if it made one."""
    while True:
        try:
            resolved = await client.resolve(*PLACE, name)
        except (OutcomeUnknown, QuorumUnavailable, NodeUnreachable):
            await asyncio.sleep(0.1)
        else:
            return [resolved.version] if resolved.applied else []
