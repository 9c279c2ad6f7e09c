import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from dynamo.client.client import AsyncClient
from tests.unit.client.fake_cluster import FakeCluster
from tests.unit.client.patience import WIDE_S, Clock, allow_retries, widen


@pytest.fixture(autouse=True)
def patient(monkeypatch) -> None:
    """No limit of the client's own passes because the machine is busy."""
    widen(monkeypatch)


@pytest.fixture
def retries(monkeypatch) -> Callable[[int], None]:
    """Say how many retries are left."""
    return lambda count: allow_retries(monkeypatch, count)


@pytest.fixture
async def clock() -> AsyncIterator[Clock]:
    """Name it last, so that what is stopped after the test has a clock that runs."""
    clock = Clock(asyncio.get_running_loop())
    yield clock
    clock.resume()


@pytest.fixture
async def cluster() -> AsyncIterator[FakeCluster]:
    async with FakeCluster() as cluster:
        yield cluster


@pytest.fixture
async def client(cluster) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(cluster.endpoints, timeout_s=WIDE_S) as client:
        await client.ring()
        yield client
