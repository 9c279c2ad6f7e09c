"""What lies on the disks when all is over, as plain data for the checker: versions, and whether the leaves fit them."""

from __future__ import annotations

from dynamo.checker.history import Place
from dynamo.checker.replicas import Copy, Holding
from dynamo.layout.digests import contribution, decode_leaf, leaf_of
from dynamo.layout.keyspaces import Keyspace, digest_key, split_hint_key, split_record_key
from dynamo.ports import Storage
from dynamo.ring.token import key_hash
from dynamo.simulation.cluster import Cluster, Running
from dynamo.simulation.recorder import version_of
from dynamo.versioning.record import decode, digest

_EVERYTHING = 1 << 30


def holdings(cluster: Cluster) -> dict[str, Holding]:
    """What each running node holds durably."""
    return {name: _holding(running.storage) for name, running in sorted(cluster.running.items())}


def hints_left(running: Running) -> list[str]:
    """Hints that a node still keeps though their targets are back, and totals that are not the sum of what is kept."""
    sums: dict[str, list[int]] = {target: [0, 0] for target in running.node.hints.targets()}
    for stored, data in running.storage.scan(Keyspace.HINTS, b"", None, _EVERYTHING):
        held = sums.setdefault(split_hint_key(stored)[0], [0, 0])
        held[0] += 1
        held[1] += len(stored) + len(data)
    found = [f"still keeps {count} hints for {target}" for target, (count, _) in sorted(sums.items()) if count]
    for target, held in sorted(sums.items()):
        totals = running.node.hints.totals(target)
        if held != [totals.count, totals.size_bytes]:
            found.append(f"counts {totals.count} hints for {target} and {totals.size_bytes} bytes, and keeps {held}")
    return found


def _holding(storage: Storage) -> Holding:
    copies: dict[Place, Copy] = {}
    due: dict[bytes, int] = {}
    for stored, data in storage.scan(Keyspace.RECORDS, b"", None, _EVERYTHING):
        partition, bucket, key = split_record_key(stored)
        record = decode(data)
        place = key_hash(bucket, key)
        leaf = digest_key(partition, bucket, leaf_of(place))
        due[leaf] = due.get(leaf, 0) ^ contribution(place, digest(record))
        copies[bucket, key.decode()] = Copy(version_of(record), data.hex())
    kept = {key: decode_leaf(data) for key, data in storage.scan(Keyspace.DIGESTS, b"", None, _EVERYTHING)}
    wrong = sorted(key for key in due.keys() | kept.keys() if due.get(key, 0) != kept.get(key, 0))
    return Holding(copies, tuple(f"leaf {leaf.hex()}" for leaf in wrong))
