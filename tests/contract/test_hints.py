"""The book of hints on each store that there is: what it promises must not depend on the disk below."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dynamo.config import HintsSection
from dynamo.errors import StorageFull
from dynamo.layout.keyspaces import Keyspace
from dynamo.node.hint_book import HintBook
from dynamo.node.node import Node
from dynamo.replication.hints import HintTotals
from dynamo.ring.ring import Member, first_ring
from dynamo.telemetry.metrics import Metrics
from dynamo.versioning.record import Record, Sibling, decode, encode
from tests.contract.lmdb_rig import LmdbRig
from tests.contract.storage_rig import Outcome, StorageRig, wait
from tests.contract.test_storage import SimulatedRig
from tests.unit.node.world import Dice, ManualClock, MemoryIdentity, Network, NetworkPeers, config_of

TARGET = "node2"


class Keeper:
    """A node that keeps hints on a rig's store."""

    def __init__(self, rig: StorageRig) -> None:
        self.rig = rig
        self.book = self.opened()

    def opened(self) -> HintBook:
        config = config_of("node1", hints=HintsSection(bytes_max=4000))
        members = [Member(f"node{number}", "h", 1, 2, 3) for number in (1, 2, 3)]
        peers = NetworkPeers("node1", Network(self.rig.loop.call_soon))
        metrics = Metrics(["node2", "node3"], "test")
        ring = first_ring(members, config.cluster.partitions)
        node = Node(config, ring, ManualClock(), Dice(), self.rig.storage, MemoryIdentity(), peers, metrics)
        node.start()
        return node.hints

    def keep(self, *pairs: tuple[bytes, Record]) -> list[Exception | None]:
        """Store all of these at once and see them through."""
        outcomes = []
        for key, record in pairs:
            outcome = Outcome(self.rig)
            self.book.store(TARGET, "b", key, encode(record), outcome)
            outcomes.append(outcome)
        wait(self.rig, *outcomes)
        return [outcome.error for outcome in outcomes]

    def remove(self, ended: list[tuple[bytes, bytes]]) -> int:
        outcome = Outcome(self.rig)
        gone = self.book.remove(TARGET, ended, outcome)
        wait(self.rig, outcome)
        assert outcome.error is None
        return gone

    def reopen(self) -> None:
        self.rig.reopen()
        self.book = self.opened()

    def dots(self, key: bytes) -> list[tuple[str, int]]:
        data = self.book.fetch(TARGET, "b", key)
        return [s.dot for s in decode(data).siblings] if data else []

    def counts_are_right(self) -> bool:
        pairs = self.rig.storage.scan(Keyspace.HINTS, b"", None, 1000)
        totals = self.book.totals(TARGET)
        return (totals.count, totals.size_bytes) == (len(pairs), sum(len(k) + len(v) for k, v in pairs))


def of(actor: str, counter: int, value: bytes = b"v") -> Record:
    return Record({actor: counter}, [Sibling(actor, counter, counter, value)])


class HintContract:
    """What holds on every store."""

    @pytest.fixture
    def rig(self) -> Iterator[StorageRig]:
        raise NotImplementedError

    @pytest.fixture
    def keeper(self, rig: StorageRig) -> Keeper:
        return Keeper(rig)

    def test_hints_outlive_the_process(self, keeper: Keeper) -> None:
        """With what they come to."""
        assert keeper.keep((b"k", of("a", 1)), (b"l", of("a", 2))) == [None, None]
        before = keeper.book.totals(TARGET)
        keeper.reopen()
        assert keeper.book.targets() == [TARGET]
        assert keeper.book.totals(TARGET) == before
        assert (keeper.dots(b"k"), keeper.dots(b"l")) == ([("a", 1)], [("a", 2)])
        assert keeper.counts_are_right()

    def test_hints_of_one_tick_are_merged(self, keeper: Keeper) -> None:
        """Each is computed from the one before, which is not durable yet."""
        assert keeper.keep(*((b"k", of(actor, 1)) for actor in "abc")) == [None] * 3
        assert keeper.dots(b"k") == [("a", 1), ("b", 1), ("c", 1)]
        assert keeper.counts_are_right()

    def test_removing(self, keeper: Keeper) -> None:
        """Pages show what is durable; what goes is gone after a restart, too; the last one takes the totals along."""
        keeper.keep(*((b"%02d" % number, of("a", number + 1)) for number in range(20)))
        first = keeper.book.page(TARGET, b"", 15)
        assert keeper.remove(first) == 15
        assert keeper.remove(first) == 0
        keeper.reopen()
        rest = keeper.book.page(TARGET, b"", 100)
        assert len(rest) == keeper.book.totals(TARGET).count == 5
        assert keeper.remove(rest) == 5
        assert keeper.book.totals(TARGET) == HintTotals()
        assert keeper.rig.storage.scan(Keyspace.META, b"hints/", b"hints0", 10) == []

    def test_no_room(self, keeper: Keeper) -> None:
        """A full disk refuses hints and keeps those it has; what was computed from a refused one is refused as well."""
        keeper.keep((b"k", of("a", 1)))
        keeper.rig.fill()
        errors = keeper.keep((b"k", of("b", 1)), (b"k", of("c", 1)), (b"l", of("d", 1)))
        assert all(isinstance(error, StorageFull) for error in errors)
        keeper.rig.make_room()
        assert keeper.dots(b"k") == [("a", 1)]
        assert keeper.counts_are_right()
        assert keeper.keep((b"k", of("d", 1))) == [None]
        assert keeper.dots(b"k") == [("a", 1), ("d", 1)]

    def test_the_limit_counts_what_is_queued(self, keeper: Keeper) -> None:
        """Hints that came in one tick cannot pass it together."""
        taken = 0
        outcomes: list[Outcome] = []
        for number in range(50):
            outcome = Outcome(keeper.rig)
            try:
                keeper.book.store(TARGET, "b", b"%02d" % number, encode(of("a", number + 1, b"x" * 200)), outcome)
            except StorageFull:
                continue
            taken += 1
            outcomes.append(outcome)
        wait(keeper.rig, *outcomes)
        assert 10 <= taken <= 20
        assert keeper.book.totals(TARGET).size_bytes <= 4000
        assert keeper.counts_are_right()


class TestHintsOnLmdb(HintContract):
    @pytest.fixture
    def rig(self, tmp_path) -> Iterator[StorageRig]:
        rig = LmdbRig(tmp_path / "store")
        yield rig
        rig.close()


class TestHintsOnASimulatedDisk(HintContract):
    @pytest.fixture
    def rig(self) -> Iterator[StorageRig]:
        rig = SimulatedRig()
        yield rig
        rig.close()
