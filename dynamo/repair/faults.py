"""What can be wrong with a stored entry, judged from its bytes alone.

A checksum finds bits that flipped. The rest would be a bug of ours, or an entry that lies where it does not belong: no
reader would ever find it there, and it would be compared with nobody.
"""

from __future__ import annotations

from itertools import pairwise

from dynamo.errors import CorruptValue
from dynamo.layout import ballot, hint, register
from dynamo.layout.keyspaces import split_record_key
from dynamo.ring.token import partition_of, token
from dynamo.versioning.clock import covers
from dynamo.versioning.record import Record, decode


def record_fault(stored: bytes, data: bytes, partitions: int) -> str:
    """What is wrong with a record under a stored key, in words; empty if nothing is."""
    return _fault_of_place(stored, partitions) or _fault_of_bytes(data)


def hint_fault(stored: bytes, data: bytes, partitions: int) -> str:
    """The same for a hint, and for the record in it."""
    try:
        kept = hint.decode(data)
    except CorruptValue as problem:
        return problem.detail
    _, _, record_key = stored.partition(b"\0")
    return record_fault(record_key, kept.record, partitions)


def state_fault(stored: bytes, data: bytes, partitions: int) -> str:
    """The same for an acceptor's state, and for the register in it."""
    try:
        state = ballot.decode(data)
        register.decode(state.value or b"")
    except CorruptValue as problem:
        return problem.detail
    return _fault_of_place(stored, partitions)


def _fault_of_place(stored: bytes, partitions: int) -> str:
    try:
        partition, bucket, key = split_record_key(stored)
    except UnicodeDecodeError:
        return "its key names no bucket"
    if partition_of(token(bucket, key), partitions) != partition:
        return "it lies in a partition that is not its own"
    return ""


def _fault_of_bytes(data: bytes) -> str:
    try:
        record = decode(data)
    except CorruptValue as problem:
        return problem.detail
    return _fault_of_dots(record)


def _fault_of_dots(record: Record) -> str:
    dots = [s.dot for s in record.siblings]
    if any(counter < 1 for counter in record.clock.values()):
        return "its clock counts below one"
    if not all(covers(record.clock, dot) for dot in dots):
        return "its clock does not cover its values"
    if any(left >= right for left, right in pairwise(dots)):
        return "its values are not in the order of their dots"
    return ""
