"""The Storage contract, on each implementation that there is."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from dynamo.simulation.disk import DiskHabits, Platter, SimulatedStorage
from dynamo.simulation.world import Life, World
from dynamo.storage import keeper, log, log_engine
from dynamo.storage.frame import BLOCK
from tests.contract.lmdb_rig import LmdbRig
from tests.contract.log_rig import KernelRig, LogRig
from tests.contract.storage_contract import StorageContract
from tests.contract.storage_rig import StorageRig


class SimulatedRig:
    """A seeded disk on virtual time."""

    def __init__(self, seed: int = 1) -> None:
        self.world = World(seed)
        self.loop = self.world.loop
        self.habits = DiskHabits()
        self.platter = Platter("node1", self.habits)
        self.lives = itertools.count(1)
        self.storage = self.new_life()

    def new_life(self) -> SimulatedStorage:
        return SimulatedStorage(self.world, Life("node1", next(self.lives)), self.platter)

    def reopen(self) -> None:
        barriers: list[Exception | None] = []
        self.storage.write((), True, lambda error: (barriers.append(error), self.loop.stop()))
        while not barriers:
            self.loop.run_forever()
        assert barriers == [None]
        self.storage = self.new_life()

    def fill(self) -> None:
        self.habits.full = True

    def make_room(self) -> None:
        self.habits.full = False

    def close(self) -> None:
        self.loop.close()
        assert self.world.unhandled == []


class Provided:
    """Turns a maker of rigs into the suite's fixtures."""

    @pytest.fixture
    def rig(self, new_rig: Callable[[], StorageRig]) -> Iterator[StorageRig]:
        rig = new_rig()
        yield rig
        rig.close()


class TestLmdbStorage(Provided, StorageContract):
    @pytest.fixture
    def new_rig(self, tmp_path_factory) -> Callable[[], LmdbRig]:
        return lambda: LmdbRig(tmp_path_factory.mktemp("store"))


class TestLmdbStorageInAsyncMode(Provided, StorageContract):
    @pytest.fixture
    def new_rig(self, tmp_path_factory) -> Callable[[], LmdbRig]:
        return lambda: LmdbRig(tmp_path_factory.mktemp("store"), lazy=True)


class TestLogStorage(Provided, StorageContract):
    @pytest.fixture
    def new_rig(self, tmp_path_factory) -> Callable[[], LogRig]:
        return lambda: LogRig(tmp_path_factory.mktemp("store"))


class TestLogStorageSyncedByTheKernel(Provided, StorageContract):
    @pytest.fixture
    def new_rig(self, tmp_path_factory) -> Callable[[], LogRig]:
        return lambda: KernelRig(tmp_path_factory.mktemp("store"))


class TestLogStorageInAsyncMode(Provided, StorageContract):
    @pytest.fixture
    def new_rig(self, tmp_path_factory) -> Callable[[], LogRig]:
        return lambda: LogRig(tmp_path_factory.mktemp("store"), lazy=True)


class TestLogStorageThatIsTakenOverAllTheTime(Provided, StorageContract):
    """A few changes to a memtable, a few groups to a segment: most of what is read is on its way somewhere."""

    @pytest.fixture(autouse=True)
    def small(self, monkeypatch) -> None:
        monkeypatch.setattr(log_engine, "COUNT_MAX", 3)
        monkeypatch.setattr(log_engine, "CHECKPOINT_S", 0.001)
        monkeypatch.setattr(log, "SEGMENT_BYTES", 5 * BLOCK)
        monkeypatch.setattr(keeper, "SEGMENT_BYTES", 5 * BLOCK)
        # In this process, which is quicker than to start one for every store.
        monkeypatch.setattr(keeper.Keeper, "_by_child", keeper.Keeper._here)

    @pytest.fixture
    def new_rig(self, tmp_path_factory) -> Callable[[], LogRig]:
        return lambda: KernelRig(tmp_path_factory.mktemp("store"))


class TestSimulatedStorage(Provided, StorageContract):
    @pytest.fixture
    def new_rig(self) -> Callable[[], SimulatedRig]:
        return SimulatedRig
