"""From siblings to one value: the hook of `update`.

The store never chooses between concurrent values in a siblings bucket; whoever reads them does, and the next write then
replaces them all. A resolver must not depend on the order of the siblings, or two clients would resolve differently and
make new ones.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from dynamo.client.results import Found, Missing, Siblings, Value
from dynamo.errors import SiblingsPresent

Resolver = Callable[[Siblings], bytes]

_NEVER = datetime.min.replace(tzinfo=UTC)


def last_write_wins(siblings: Siblings) -> bytes:
    """The value written last by the clocks of the nodes; the others are lost. Ties go to the greater bytes."""
    return max(siblings.values, key=lambda v: (v.last_modified or _NEVER, v.value)).value


def union(siblings: Siblings) -> bytes:
    """JSON arrays, merged as sets: every element once, in a canonical order. Removed elements come back.

    Raises SiblingsPresent if a value is not a JSON array.
    """
    elements: dict[bytes, object] = {}
    for value in siblings.values:
        for element in _array(value):
            elements[msgspec.json.encode(element, order="sorted")] = element
    return msgspec.json.encode([elements[text] for text in sorted(elements)], order="sorted")


def resolved(found: Found, resolver: Resolver | None) -> bytes | None:
    """The one value to go on from; None for a missing key. Raises SiblingsPresent for a choice without a resolver."""
    if isinstance(found, Missing):
        return None
    if isinstance(found, Value):
        return found.value
    if resolver is None:
        raise SiblingsPresent(
            f"{len(found.values)} concurrent values stand under the key; pass resolve=, for example last_write_wins"
        )
    return resolver(found)


def _array(value: Value) -> list[object]:
    try:
        return msgspec.json.decode(value.value, type=list[object])
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise SiblingsPresent("union needs JSON arrays, and one of the concurrent values is none") from problem
