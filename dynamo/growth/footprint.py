"""What a node takes: memory of its own, processes that it started included, and the files of its store.

*Own* memory is anonymous memory. Resident memory counts the pages of LMDB's file as well that happen to be mapped;
those are the kernel's to keep or drop, and grow with what is looked at. Of LMDB's file, what no tree uses is *free*:
pages that earlier transactions have given up and later ones take before the file grows, and the few that list them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from dynamo.workload.cpu import children
from dynamo.workload.memory import anonymous_bytes, resident_bytes

SERIES = {
    "used_bytes": "dynamo_store_bytes",
    "records": "dynamo_store_keys",
    "hints": "dynamo_pending_hints",
    "memtable_bytes": "dynamo_storage_memtable_bytes",
    "checkpoints": "dynamo_storage_checkpoints_total",
    "rebuilding": "dynamo_rebuilding_partitions",
}
"""Fields of a footprint that a node tells itself, on its page of metrics."""


class Footprint(msgspec.Struct, frozen=True, kw_only=True):
    """Of one node, or of several together."""

    own_bytes: int = 0
    resident_bytes: int = 0
    data_bytes: int = 0
    """LMDB's file."""
    log_bytes: int = 0
    """All segments of the log."""
    disk_bytes: int = 0
    """All blocks that the data directory takes on its disk."""
    used_bytes: int = 0
    """Pages of LMDB's trees, as of the last checkpoint."""
    records: int = 0
    hints: int = 0
    memtable_bytes: int = 0
    checkpoints: int = 0
    rebuilding: int = 0
    """Partitions that a node which began empty has still to compare with others."""

    @property
    def free_bytes(self) -> int:
        """Of LMDB's file, what no tree uses."""
        return max(0, self.data_bytes - self.used_bytes)


def together(each: Iterable[Footprint]) -> Footprint:
    """The sum."""
    parts = [msgspec.structs.asdict(one) for one in each]
    return Footprint(**{name: sum(part[name] for part in parts) for name in Footprint.__struct_fields__})


def footprint(pid: int, data: Path, page: str) -> Footprint:
    """Of a node that runs: its process, its data directory, its page of metrics."""
    processes = [pid, *children(pid)]
    store = data / "store"
    return Footprint(
        own_bytes=sum(map(anonymous_bytes, processes)),
        resident_bytes=sum(map(resident_bytes, processes)),
        data_bytes=_size(store / "data.mdb"),
        log_bytes=sum(map(_size, (store / "log").glob("*.log"))),
        disk_bytes=sum(512 * _blocks(Path(folder) / name) for folder, _, names in os.walk(data) for name in names),
        **told(page),
    )


def told(page: str) -> dict[str, int]:
    """What a page of metrics says of the fields in SERIES; labels are summed over."""
    found = dict.fromkeys(SERIES, 0.0)
    fields = {series: field for field, series in SERIES.items()}
    for line in page.splitlines():
        name, _, value = line.rpartition(" ")
        field = fields.get(name.partition("{")[0])
        if field is not None:
            found[field] += float(value)
    return {field: int(value) for field, value in found.items()}


def _size(file: Path) -> int:
    # Segments come and go.
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _blocks(file: Path) -> int:
    try:
        return file.stat().st_blocks
    except FileNotFoundError:
        return 0
