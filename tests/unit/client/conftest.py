from collections.abc import AsyncIterator

import pytest

from dynamo.client.client import AsyncClient
from tests.unit.client.fake_cluster import FakeCluster


@pytest.fixture
async def cluster() -> AsyncIterator[FakeCluster]:
    async with FakeCluster() as cluster:
        yield cluster


@pytest.fixture
async def client(cluster) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(cluster.endpoints) as client:
        await client.ring()
        yield client
