"""`dynamo repair cost`: what it costs to compare two replicas, by how many keys differ.

Two nodes of its own on loopback, real processes with N=2. Their stores are filled while they are down, with the same
records and their Merkle leaves; then, for each row, some keys are taken from one of them, both are started, and the
other one compares everything. Shown is what was looked at, repaired and sent, from the nodes' own counters.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click
import msgspec

from dynamo.cli.output import FAILED, OK, as_json_option, emit, note, size, table
from dynamo.cli.stopped_store import change
from dynamo.config import Config
from dynamo.config_load import load
from dynamo.layout.digests import contribution, encode_leaf, leaf_of
from dynamo.layout.keyspaces import Keyspace, digest_key, record_key
from dynamo.ports import Change
from dynamo.ring.preference_list import PreferenceLists
from dynamo.ring.token import key_hash
from dynamo.server import ring_of
from dynamo.versioning.record import Record, Sibling, digest, encode
from dynamo.workload.cpu import process_s
from dynamo.workload.processes import Child, free_ports
from dynamo.workload.systems import asked, node_config

BUCKET = "cost"
NODES = ("node1", "node2")
_POLL_S = 0.2
_SETTINGS = (
    "[repair]\nenabled = false\n[hints]\nenabled = false\n[audit]\nenabled = false\n[tombstones]\nreap = false\n"
)


class Row(msgspec.Struct):
    """One comparison of everything that two nodes hold."""

    keys: int
    differing: int
    exchanges: int
    keys_compared: int
    """Keys whose digests travelled."""
    keys_repaired: int
    repair_bytes: int
    """Questions, answers and records that both nodes sent, as they count it."""
    wire_bytes: int
    """All that went between them meanwhile, probes and frames included."""
    cpu_s: float
    """Of both processes."""
    seconds: float


@click.command(short_help="measure what comparing costs, by how many keys differ")
@click.option("--keys", type=click.IntRange(1), default=1_000_000, show_default=True, help="On each of two nodes.")
@click.option("--value-bytes", type=click.IntRange(0, 2**16), default=100, show_default=True)
@click.option("--differing", default="0,1,100,10000", show_default=True, metavar="N,...", help="One row for each.")
@click.option("--seed", type=int, default=1, show_default=True, help="Which keys differ.")
@click.option(
    "--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder for the data of the run."
)
@as_json_option
def cost(keys: int, value_bytes: int, differing: str, seed: int, data: Path | None, as_json: bool) -> int:
    """Fill two nodes with the same keys, take some from one, compare; ends with 1 if not exactly these are repaired."""
    counts = [int(text) for text in differing.split(",")]
    if any(count > keys for count in counts):
        raise click.BadParameter("more differing keys than keys", param_hint="--differing")
    with tempfile.TemporaryDirectory(prefix="dynamo-repair-cost-", dir=data) as folder:
        rig = _Rig(Path(folder), keys, value_bytes)
        note(f"filling two stores with {keys:,} keys")
        for node in NODES:
            rig.change(node, rig.filled)
        rows = []
        for count in counts:
            note(f"comparing with {count:,} differing keys")
            missing = random.Random(seed + count).sample(range(keys), count)  # noqa: S311  # which keys, no secret
            if missing:
                rig.change(NODES[1], lambda missing=missing: rig.without(missing))  # type: ignore[misc]
            rows.append(rig.compared(count))
    if as_json:
        emit([msgspec.to_builtins(row) for row in rows])
    else:
        _print(rows)
    return OK if all(row.keys_repaired == row.differing for row in rows) else FAILED


class _Rig:
    """Two nodes and what is to be in them."""

    def __init__(self, folder: Path, keys: int, value_bytes: int) -> None:
        self._folder = folder
        self._keys = keys
        self._value_bytes = value_bytes
        self._leaves: dict[bytes, int] = {}
        ports = free_ports(6)
        self._ports = {node: ports[3 * i : 3 * i + 3] for i, node in enumerate(NODES)}
        for node in NODES:
            text = node_config(node, folder / node, self._ports) + _SETTINGS
            (folder / f"{node}.toml").write_text(text)
        self._preference = PreferenceLists(ring_of(self._config(NODES[0])))

    def filled(self) -> Iterator[Change]:
        """All records and leaves."""
        self._leaves = {}
        for number in range(self._keys):
            stored, leaf, part, data = self._record(number)
            self._leaves[leaf] = self._leaves.get(leaf, 0) ^ part
            yield Keyspace.RECORDS, stored, data
        yield from ((Keyspace.DIGESTS, leaf, encode_leaf(total)) for leaf, total in self._leaves.items())

    def without(self, missing: list[int]) -> Iterator[Change]:
        """What takes some keys away, and their share of the leaves."""
        changed: dict[bytes, int] = {}
        for number in missing:
            stored, leaf, part, _ = self._record(number)
            changed[leaf] = changed.get(leaf, self._leaves[leaf]) ^ part
            yield Keyspace.RECORDS, stored, None
        yield from ((Keyspace.DIGESTS, leaf, encode_leaf(total)) for leaf, total in changed.items())

    def change(self, node: str, changes: Callable[[], Iterable[Change]]) -> None:
        """Write into the store of a node that is down."""
        change(self._config(node), lambda _: changes())

    def compared(self, differing: int) -> Row:
        """Start both, let the first one compare everything, end both."""
        children = [self._started(node) for node in NODES]
        try:
            for child, (_, _, ops_port) in zip(children, self._ports.values(), strict=True):
                child.wait_until_ready(ops_port, "/readyz")
            began, cpu, before = time.monotonic(), _cpu_s(children), self._counted()
            run = self._run()
            seconds, after = time.monotonic() - began, self._counted()
            return Row(
                keys=self._keys,
                differing=differing,
                exchanges=run["exchanges"],
                keys_compared=run["keys_compared"],
                keys_repaired=run["keys_repaired"],
                repair_bytes=after[0] - before[0],
                wire_bytes=after[1] - before[1],
                cpu_s=round(_cpu_s(children) - cpu, 2),
                seconds=round(seconds, 2),
            )
        finally:
            for child in children:
                child.stop()

    def _run(self) -> dict[str, int]:
        port = self._ports[NODES[0]][2]
        asked(port, "POST", "/admin/v1/repair", None)
        while True:
            run = json.loads(asked(port, "GET", "/admin/v1/repair", None))["run"]
            if run["state"] == "finished":
                return dict(run)
            time.sleep(_POLL_S)

    def _counted(self) -> tuple[int, int]:
        """Bytes between the two so far: of repair, and in all."""
        of_repair = in_all = 0
        for _, _, port in self._ports.values():
            for line in asked(port, "GET", "/metrics", None).decode().splitlines():
                name, _, value = line.rpartition(" ")
                if name == "dynamo_repair_bytes_sent_total":
                    of_repair += int(float(value))
                elif name.startswith("dynamo_peer_bytes_total{"):
                    # Each counts both ways of the connection that it has opened.
                    in_all += int(float(value))
        return of_repair, in_all

    def _record(self, number: int) -> tuple[bytes, bytes, int, bytes]:
        """Stored key, leaf, share of the leaf and bytes of a record."""
        key = b"user%08d/profile" % number
        value = random.Random(number).randbytes(self._value_bytes)  # noqa: S311  # filling, no secret
        record = Record({"node1.00000001": number + 1}, [Sibling("node1.00000001", number + 1, number + 1, value)])
        partition, place = self._preference.partition(BUCKET, key), key_hash(BUCKET, key)
        leaf = digest_key(partition, BUCKET, leaf_of(place))
        return record_key(partition, BUCKET, key), leaf, contribution(place, digest(record)), encode(record)

    def _config(self, node: str) -> Config:
        return load(self._folder / f"{node}.toml", {})

    def _started(self, node: str) -> Child:
        file = self._folder / f"{node}.toml"
        command = [sys.executable, "-m", "dynamo", "serve", "--config", str(file), "--parent", str(os.getpid())]
        return Child(node, command, self._folder / f"{node}.log")


def _cpu_s(children: list[Child]) -> float:
    return sum(process_s(child.pid) for child in children)


def _print(rows: list[Row]) -> None:
    heads = ("keys", "differing", "exchanges", "digests", "repaired", "sent by repair", "on the wire", "cpu", "took")
    table(
        heads,
        [
            (
                f"{row.keys:,}",
                f"{row.differing:,}",
                row.exchanges,
                f"{row.keys_compared:,}",
                f"{row.keys_repaired:,}",
                size(row.repair_bytes),
                size(row.wire_bytes),
                f"{row.cpu_s:.2f} s",
                f"{row.seconds:.1f} s",
            )
            for row in rows
        ],
    )
