"""No room: what is refused, what goes on, and how room comes back."""

from __future__ import annotations

import errno
import random

import pytest

from dynamo.errors import StorageFull, StorageRefused
from dynamo.layout.keyspaces import Keyspace
from tests.contract.lmdb_rig import LmdbRig
from tests.contract.log_rig import LogRig
from tests.contract.storage_rig import put, wait, write
from tests.unit.storage.gate import Gate, failing, in_flight

RECORDS, DIGESTS = Keyspace.RECORDS, Keyspace.DIGESTS


def test_a_full_map_refuses_writes_and_serves_reads(new_rig):
    """Real, on a map of one MiB: the batch fails whole, and what was acknowledged stays."""
    rig = new_rig(map_bytes=2**20)
    stored = fill_the_map(rig)
    refused = write(rig, (RECORDS, b"small", b"v"), (RECORDS, b"large", b"x" * 2**20))
    wait(rig, refused)
    assert isinstance(refused.error, StorageFull)
    assert "storage.map_size_bytes" in refused.error.detail
    assert rig.storage.read(RECORDS, b"small") is None
    assert rig.storage.scan(RECORDS, b"", None, 10_000) == stored
    assert rig.fatal == []


@pytest.mark.parametrize("seed", range(4))
def test_a_full_map_takes_removals_and_then_writes(new_rig, seed):
    """Even the first one, in any order, each with the leaf that it changes; then the room is used again."""
    rig = new_rig(map_bytes=2**20)
    dice = random.Random(seed)
    stored = fill_the_map(rig, dice)
    dice.shuffle(stored)
    for key, _ in stored[:100]:
        put(rig, (RECORDS, key, None), (DIGESTS, key[:1], dice.randbytes(8)))
    for key, value in stored[:50]:
        put(rig, (RECORDS, key, value))
    assert rig.storage.scan(RECORDS, b"", None, 10_000) == sorted(stored[:50] + stored[100:])


def test_a_full_map_takes_what_needs_no_more_room(new_rig):
    """A value can be replaced by one of its size, or by a tombstone."""
    rig = new_rig(map_bytes=2**20)
    stored = fill_the_map(rig)
    for key, value in stored[:20]:
        put(rig, (RECORDS, key, value[::-1]))
        put(rig, (RECORDS, key, b"gone"))
    assert rig.storage.read(RECORDS, stored[0][0]) == b"gone"


def test_a_full_map_is_enlarged_by_a_restart(new_rig):
    """As its error says."""
    rig = new_rig(map_bytes=2**20)
    stored = fill_the_map(rig)
    rig.map_bytes = 2**22
    rig.reopen()
    put(rig, (RECORDS, b"z", b"x" * 2**20))
    assert rig.storage.scan(RECORDS, b"", b"z", 10_000) == stored
    assert rig.storage.sizes().map_bytes == 2**22


def fill_the_map(rig: LmdbRig, dice: random.Random | None = None) -> list[tuple[bytes, bytes]]:
    """Write until there is no room for one more; the pairs that were acknowledged, in order. Dice vary them."""
    stored: list[tuple[bytes, bytes]] = []
    for count in (32, 4, 1):
        while True:
            pairs = [(b"%06d" % number, b"x" * 3000) for number in range(len(stored), len(stored) + count)]
            if dice is not None:
                pairs = [(dice.randbytes(8), dice.randbytes(dice.randrange(1000))) for _ in range(count)]
            outcome = write(rig, *[(RECORDS, *pair) for pair in pairs], (DIGESTS, pairs[0][0][:1], b"8 bytes."))
            wait(rig, outcome)
            if outcome.error is not None:
                assert isinstance(outcome.error, StorageFull)
                break
            stored += pairs
            assert len(stored) < 4000
    return sorted(stored)


def test_a_group_that_fails_takes_the_queued_one_with_it(rig):
    """The queued one was computed from it; a later one is not."""
    gate = Gate(rig)
    gate.failure = rig.error(errno.ENOSPC)
    outcomes = [in_flight(rig, gate), write(rig, (RECORDS, b"second", b"v")), write(rig)]
    gate.open()
    wait(rig, *outcomes)
    assert [type(outcome.error) for outcome in outcomes] == [StorageFull] * 3
    assert rig.storage.latest(RECORDS, b"second") is None
    gate.failure = None
    put(rig, (RECORDS, b"third", b"v"))
    assert rig.storage.scan(RECORDS, b"", None, 10) == [(b"third", b"v")]
    assert rig.fatal == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_write_that_finds_no_room_is_not_the_end(rig, code):
    """Whatever the system calls it."""
    failing(rig, code)
    outcome = write(rig, (RECORDS, b"k", b"v"))
    wait(rig, outcome)
    assert isinstance(outcome.error, StorageFull)
    assert rig.fatal == []
    rig.make_room()
    put(rig, (RECORDS, b"k", b"v"))


def test_an_error_of_a_write_is_no_room_or_the_end(rig):
    """LMDB calls a write that fell short an error of the device; the log's own writes tell how short they fell."""
    failing(rig, errno.EIO)
    outcome = write(rig, (RECORDS, b"k", b"v"))
    wait(rig, outcome)
    assert type(outcome.error) is (StorageRefused if isinstance(rig, LogRig) else StorageFull)
    assert rig.fatal == ([outcome.error] if isinstance(rig, LogRig) else [])
