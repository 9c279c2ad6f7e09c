"""Whether a condition holds of a register."""

from __future__ import annotations

from dynamo.consensus.record import as_record
from dynamo.layout.register import Register, is_unwritten
from dynamo.protocol.commands import Condition
from dynamo.versioning.record import etag


def holds(condition: Condition, register: Register) -> bool:
    """Whether all that the condition asks for is so. One that asks for nothing always holds."""
    value = register.value
    if condition.exists is not None and condition.exists is not (value is not None):
        return False
    if condition.version is not None and not _is_version(register, condition.version):
        return False
    if condition.value is not None and value != condition.value:
        return False
    return not condition.etags or (value is not None and etag(as_record(register)) in condition.etags)


def _is_version(register: Register, version: int) -> bool:
    """Version 0 is that of a key which no change has made, also if its next version goes on from a floor."""
    return version == (0 if is_unwritten(register) else register.version)
