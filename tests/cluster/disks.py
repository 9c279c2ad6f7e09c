"""Small file systems for tests that fill or break them: made by root, skipped for others, unmounted at the end."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


def needs_mounts() -> None:
    """Skip the test where this process may not mount. In CI it may."""
    if os.geteuid() != 0 or shutil.which("mount") is None or not _may_mount():
        pytest.skip("mounting a file system needs root")


def _may_mount() -> bool:
    probe = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=False, capture_output=True
    )
    return probe.returncode == 0


def ran(*command: str) -> None:
    """Run a command; its error is the test's."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


@contextlib.contextmanager
def memory_disk(place: Path, size_bytes: int) -> Iterator[None]:
    """A file system in memory, of a fixed size."""
    place.mkdir(parents=True, exist_ok=True)
    ran("mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(place))
    try:
        yield
    finally:
        ran("umount", "--lazy", str(place))


def resize(place: Path, size_bytes: int) -> None:
    """Give it more room, or less."""
    ran("mount", "-o", f"remount,size={size_bytes}", str(place))


def writable(place: Path, *, yes: bool) -> None:
    """Let it be written, or not. It may be refused while a file is open for writing."""
    ran("mount", "-o", f"remount,{'rw' if yes else 'ro'}", str(place))


class FailingDisk:
    """A file system in a file, which turns read-only at its first error."""

    def __init__(self, image: Path, place: Path) -> None:
        self._image = image
        self._place = place

    def mount(self) -> None:
        """Make it visible."""
        ran("mount", "-o", "loop,errors=remount-ro", str(self._image), str(self._place))

    def unmount(self) -> None:
        """Take it away, whoever still has it open."""
        ran("umount", str(self._place))

    def fail(self) -> None:
        """Report an error, as a driver would."""
        source = subprocess.run(
            ["findmnt", "-n", "-o", "SOURCE", str(self._place)], check=True, capture_output=True, text=True
        ).stdout.strip()
        Path("/sys/fs/ext4", Path(source).name, "trigger_fs_error").write_text("1", encoding="ascii")

    def mend(self) -> None:
        """Repair it and mount it again. Nobody may have it open."""
        self.unmount()
        done = subprocess.run(["fsck.ext4", "-y", "-f", str(self._image)], check=False, capture_output=True)
        assert done.returncode in (0, 1, 2), done.stderr
        self.mount()


@contextlib.contextmanager
def failing_disk(image: Path, place: Path, size_bytes: int) -> Iterator[FailingDisk]:
    """Skips the test where there are no loop devices, or no ext4."""
    place.mkdir(parents=True, exist_ok=True)
    with image.open("wb") as file:
        file.truncate(size_bytes)
    ran("mkfs.ext4", "-q", "-F", str(image))
    disk = FailingDisk(image, place)
    try:
        disk.mount()
    except AssertionError as problem:
        pytest.skip(f"no loop device for an ext4 file system: {problem}")
    try:
        yield disk
    finally:
        disk.unmount()
