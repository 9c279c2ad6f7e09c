"""When a group goes to the disk: at once in an idle store, a moment later in a busy one."""

from collections.abc import Iterator

import pytest

from dynamo.storage.group_commit import BUSY_CHANGES
from tests.contract.log_rig import LogRig
from tests.contract.storage_rig import RECORDS, Outcome, numbered, step, wait, write


@pytest.fixture
def rig(tmp_path) -> Iterator[LogRig]:
    rig = LogRig(tmp_path / "data")
    yield rig
    rig.close()


@pytest.mark.parametrize(("changes", "groups"), [(BUSY_CHANGES, 2), (BUSY_CHANGES - 1, 3)])
def test_who_writes_when_a_large_group_is_done_joins_the_next(rig, changes, groups):
    """Which waits for that, though it could go. After a small one it is gone by then."""
    third: list[Outcome] = []
    first = Outcome(rig, then=lambda _: third.append(write(rig, (RECORDS, b"third", b"v"))))
    rig.storage.write(numbered(changes), True, first)
    step(rig)
    second = write(rig, (RECORDS, b"second", b"v"))
    wait(rig, first, second)
    wait(rig, *third)
    assert rig.storage.commits == groups


def test_a_store_that_closes_waits_for_nobody(rig):
    """What is queued is written before it is closed, also behind a large group."""
    told: list[Exception | None] = []
    rig.storage.write(numbered(BUSY_CHANGES), True, told.append)
    step(rig)
    rig.storage.write([(RECORDS, b"second", b"v")], True, told.append)
    rig.reopen()
    assert told == [None, None]
    assert rig.storage.read(RECORDS, b"second") == b"v"
