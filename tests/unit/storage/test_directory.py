"""One owner at a time, and files that change whole."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dynamo.errors import StorageFull, StorageRefused
from dynamo.storage import directory
from dynamo.storage.directory import DataDirectory

TRY_TO_OPEN = """
import sys
from pathlib import Path
from dynamo.errors import StorageRefused
from dynamo.storage.directory import DataDirectory
try:
    DataDirectory(Path(sys.argv[1]))
except StorageRefused as refusal:
    print(refusal.detail)
"""
OPEN_AND_DIE = """
import os, signal, sys
from pathlib import Path
from dynamo.storage.directory import DataDirectory
owner = DataDirectory(Path(sys.argv[1]))
os.kill(os.getpid(), signal.SIGKILL)
"""


def elsewhere(script: str, path: Path) -> str:
    """What another process says that works on this directory."""
    root = Path(directory.__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", script, str(path)], check=False, capture_output=True, text=True, cwd=root, timeout=60
    )
    assert ran.stderr == ""
    return ran.stdout


def test_it_is_made_for_its_owner_only(tmp_path):
    """With its parents; nobody else may read the data."""
    owner = DataDirectory(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    assert owner.locked
    owner.release()


def test_another_process_is_refused(tmp_path):
    """And told which process is in its way."""
    owner = DataDirectory(tmp_path / "data")
    said = elsewhere(TRY_TO_OPEN, tmp_path / "data")
    assert f"in use by process {os.getpid()}" in said
    assert "set node.data_dir" in said
    owner.release()
    assert elsewhere(TRY_TO_OPEN, tmp_path / "data") == ""


def test_the_same_process_is_refused_too(tmp_path):
    """Two nodes in one process are still two nodes."""
    owner = DataDirectory(tmp_path / "data")
    with pytest.raises(StorageRefused, match="in use"):
        DataDirectory(tmp_path / "data")
    owner.release()
    DataDirectory(tmp_path / "data").release()


def test_a_process_that_was_killed_leaves_no_lock(tmp_path):
    """Nothing is to be cleaned up by hand."""
    elsewhere(OPEN_AND_DIE, tmp_path / "data")
    DataDirectory(tmp_path / "data").release()


@pytest.mark.parametrize("place", ["/proc/self/nowhere", "/dev/null/data"])
def test_a_place_that_cannot_be_written_is_refused(place):
    """Whoever asks, root included; with what to do."""
    with pytest.raises(StorageRefused, match=r"cannot be written.*set node.data_dir to another place"):
        DataDirectory(Path(place))


def test_a_file_in_its_place_is_refused(tmp_path):
    """It is not removed."""
    (tmp_path / "data").write_text("important")
    with pytest.raises(StorageRefused, match="cannot be written"):
        DataDirectory(tmp_path / "data")
    assert (tmp_path / "data").read_text() == "important"


@pytest.fixture
def owner(tmp_path):
    owner = DataDirectory(tmp_path / "data")
    yield owner
    owner.release()


def test_a_file_is_replaced_whole(owner):
    """The old one stays until the new one is on disk, and no draft is left."""
    owner.replace("note", "first")
    owner.replace("note", "second")
    assert (owner.path / "note").read_text() == "second"
    assert sorted(path.name for path in owner.path.iterdir()) == ["lock", "note"]


def test_content_is_synced_before_its_name_and_the_name_after(owner, monkeypatch):
    """Otherwise a power cut could leave an empty file under the good name, or the old one after we said it is done."""
    steps = []
    real_fsync, real_replace = os.fsync, Path.replace

    def fsync(handle: int) -> None:
        steps.append("sync " + Path(f"/proc/self/fd/{handle}").readlink().name)
        real_fsync(handle)

    def replace(self: Path, target: Path) -> Path:
        steps.append(f"{self.name} -> {target.name}")
        return real_replace(self, target)

    monkeypatch.setattr(directory.os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    owner.replace("note", "text")
    assert steps == ["sync note.new", "note.new -> note", "sync data"]


@pytest.mark.parametrize(
    ("code", "kind"), [(errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull), (errno.EIO, StorageRefused)]
)
def test_a_failed_write_leaves_the_old_file(owner, monkeypatch, code, kind):
    """No room is said to be no room."""
    owner.replace("note", "first")

    def fsync(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(directory.os, "fsync", fsync)
    with pytest.raises(kind, match=r"note cannot be written"):
        owner.replace("note", "second")
    assert (owner.path / "note").read_text() == "first"


def test_a_released_directory_is_not_written(owner):
    """Another process may own it by then."""
    owner.release()
    with pytest.raises(AssertionError):
        owner.replace("note", "text")
    assert not (owner.path / "note").exists()
