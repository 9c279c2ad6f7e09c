"""What a start does with the log of a run that was killed: replays it, or finds that something is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dynamo.errors import StorageFull, StorageRefused
from dynamo.layout.keyspaces import Keyspace
from dynamo.storage import at_rest, keeper, log_engine, recovery
from dynamo.storage import log as log_module
from dynamo.storage.applying import Mark, together
from dynamo.storage.directory import DataDirectory
from dynamo.storage.environment import Environment
from dynamo.storage.frame import BLOCK
from dynamo.storage.header import Damaged
from dynamo.storage.segment import Folder
from tests.contract.log_rig import LogRig
from tests.contract.storage_rig import numbered, put

RECORDS = Keyspace.RECORDS
GROUPS = 40


@pytest.fixture
def killed(tmp_path, monkeypatch) -> Path:
    """A data directory as `kill -9` leaves it, with a log of several segments of which LMDB has the first groups."""
    for module in (log_module, keeper):
        monkeypatch.setattr(module, "SEGMENT_BYTES", 12 * BLOCK)
    monkeypatch.setattr(log_engine, "CHECKPOINT_S", 3600.0)
    rig = LogRig(tmp_path / "running")
    for number, group in enumerate(numbered(GROUPS)):
        put(rig, group)
        if number == 10:
            rig.storage.settle()
        while not rig.log.spares:
            pass
    shutil.copytree(tmp_path / "running" / "store", tmp_path / "killed" / "store")
    rig.close()
    return tmp_path / "killed"


def replayed(data: Path) -> list[tuple[bytes, bytes]]:
    """All records after a start, which is then stopped cleanly."""
    rig = LogRig(data)
    found = rig.storage.scan(RECORDS, b"", None, 1000)
    rig.close()
    return found


def records(groups: int = GROUPS) -> list[tuple[bytes, bytes]]:
    return [(key, value) for _, key, value in numbered(groups)]


def segments(data: Path) -> list[Path]:
    """Those of the log, in its order."""
    environment = Environment(DataDirectory(data), 2**28, lazy=False)
    folder = Folder(data / "store")
    found = sorted(folder.segments(environment.mark.log), key=lambda segment: segment.number)
    environment.close()
    return [folder.file(each.name) for each in found]


def refused(data: Path) -> str:
    with pytest.raises(Damaged) as refusal:
        LogRig(data)
    assert at_rest_is_refused(data)
    return refusal.value.reason


def at_rest_is_refused(data: Path) -> bool:
    try:
        at_rest.content(data)
    except StorageRefused:
        return True
    return False


def test_everything_acknowledged_is_there(killed):
    """At rest, after a start, and after another one."""
    assert len(segments(killed)) > 2
    assert sorted(at_rest.content(killed)[RECORDS].items()) == records()
    assert replayed(killed) == records()
    assert not Folder(killed / "store").names()
    assert replayed(killed) == records()


def test_a_start_that_is_killed_is_made_again(killed, monkeypatch):
    """Before LMDB has the log, and after, when another log was about to begin."""
    monkeypatch.setattr(Environment, "advance", lambda *_: 1 // 0)
    with pytest.raises(StorageRefused):
        LogRig(killed)
    monkeypatch.undo()
    monkeypatch.setattr(Folder, "make", lambda *_: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        LogRig(killed)
    monkeypatch.undo()
    assert replayed(killed) == records()


def test_a_checkpoint_process_that_outlives_its_node_is_no_harm(killed, monkeypatch):
    """It takes over a part of the log when the start has looked at all of it, and before that is taken over."""
    real = recovery.look

    def look(environment: Environment, folder: Folder) -> recovery.Past:
        past = real(environment, folder)
        monkeypatch.undo()
        part = past.frames[:5]
        environment.advance(together(part), past.mark, Mark(past.mark.log, part[-1].sequence))
        return past

    monkeypatch.setattr(recovery, "look", look)
    assert replayed(killed) == records()


def test_a_torn_tail_ends_the_log(killed):
    """At every block of the last frame and of all that lies behind it; the groups before it are there."""
    last = segments(killed)[-1]
    whole = last.read_bytes()
    end = len(whole.rstrip(b"\0"))
    for cut in {end - 1, end // BLOCK * BLOCK, end // BLOCK * BLOCK + 41}:
        shutil.rmtree(killed.parent / "torn", ignore_errors=True)
        shutil.copytree(killed, killed.parent / "torn")
        torn = killed.parent / "torn" / "store" / "log" / last.name
        torn.write_bytes(whole[:cut].ljust(len(whole), b"\0"))
        assert replayed(killed.parent / "torn") == records(GROUPS - 1)


def test_damage_in_the_middle_is_refused(killed):
    """A frame that was on disk: the next one was acknowledged."""
    file = segments(killed)[-1]
    harmed = bytearray(file.read_bytes())
    harmed[BLOCK + 60] ^= 1
    file.write_bytes(harmed)
    assert "is damaged or missing, and group" in refused(killed)


@pytest.mark.parametrize("which", [-2, -1])
def test_a_missing_segment_is_refused(killed, which):
    """The last one, too."""
    segments(killed)[which].unlink()
    assert "missing" in refused(killed)


def test_a_missing_log_is_refused(killed):
    """LMDB says that there is one."""
    shutil.rmtree(killed / "store" / "log")
    assert "its log is missing" in refused(killed)


def test_a_log_without_its_store_is_refused(killed):
    """It cannot be told how much of it was left."""
    (killed / "store" / "data.mdb").unlink()
    with pytest.raises(Damaged, match="the store that it belongs to is missing"):
        LogRig(killed)


def test_an_old_segment_in_two_places_is_no_harm(killed):
    """A file system that came back with both, or an operator's copy."""
    first = segments(killed)[0]
    shutil.copyfile(first, first.with_name("900.log"))
    assert replayed(killed) == records()


def test_segments_of_another_log_are_no_harm(killed, tmp_path):
    """Left behind by a start that was killed, or put there: they are removed."""
    other = LogRig(tmp_path / "other")
    put(other, (RECORDS, b"other", b"v"))
    for number, name in enumerate(other.log.folder.names()):
        shutil.copyfile(other.log.folder.file(name), killed / "store" / "log" / f"{700 + number}.log")
    other.close()
    assert replayed(killed) == records()


def test_the_engine_without_a_log_takes_it_over(killed):
    """And the other way round: nothing is lost by a change of the setting."""
    environment = Environment(DataDirectory(killed), 2**28, lazy=True)
    folder = Folder(killed / "store")
    recovery.forget(environment, folder, recovery.replay(environment, folder, recovery.look(environment, folder)))
    assert environment.scan(RECORDS, b"", None, 1000) == records()
    assert (environment.mark.log, folder.names()) == (0, [])
    environment.close()
    assert replayed(killed) == records()


def test_a_map_that_is_too_small_is_said_and_nothing_is_lost(killed):
    """As by somebody who has lowered the setting: it is raised, and everything is there."""
    rig = LogRig(killed)
    put(rig, *[(RECORDS, b"big%d" % number, bytes(100_000)) for number in range(10)])
    shutil.copytree(killed / "store", killed.parent / "large" / "store")
    rig.close()
    with pytest.raises(StorageFull, match="map_size_bytes"):
        LogRig(killed.parent / "large", map_bytes=2**19)
    assert len(replayed(killed.parent / "large")) == GROUPS + 10


def test_a_segment_that_goes_while_it_is_read_from_outside(killed, monkeypatch):
    """A running node removes what LMDB has taken over; the reader looks again."""
    looked = []
    real = Folder.names

    def names(folder: Folder) -> list[str]:
        looked.append(real(folder))
        return [*looked[-1], "999.log"] if len(looked) == 1 else looked[-1]

    monkeypatch.setattr(Folder, "names", names)
    assert sorted(at_rest.content(killed)[RECORDS].items()) == sorted(records())
    assert len(looked) == 2
