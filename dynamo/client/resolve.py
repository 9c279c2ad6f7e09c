"""From siblings to one value: the hook of `get` and `update`.

The store never chooses between concurrent values in a siblings bucket; whoever reads them does, and the next write then
replaces them all. A resolver is given to the client, for all buckets or for each by its name, or to a single call:

    Client(resolve={"carts": union, "": last_write_wins})

A resolver must not depend on the order of the siblings, or two clients would resolve differently and make new ones. It
returns None where nothing should be left. Resolving writes nothing: that is what `update` is for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import msgspec

from dynamo.client.results import Found, Missing, Siblings, Value
from dynamo.errors import SiblingsPresent

Resolver = Callable[[Siblings], bytes | None]
Resolvers = Resolver | Mapping[str, Resolver] | None
"""One for all buckets, or one for each; the name "" stands for every other bucket."""

_NEVER = datetime.min.replace(tzinfo=UTC)


def chosen(resolvers: Resolvers, bucket: str, named: Resolver | None) -> Resolver | None:
    """The resolver that a call names, else the client's own for the bucket, if there is any."""
    if named is not None or resolvers is None:
        return named
    if isinstance(resolvers, Mapping):
        return resolvers.get(bucket) or resolvers.get("")
    return resolvers


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


def folded(merge: Callable[[bytes, bytes], bytes]) -> Resolver:
    """A resolver that merges two values at a time, in the order of their bytes, so that every client does it alike."""

    def fold(siblings: Siblings) -> bytes:
        first, *rest = sorted(value.value for value in siblings.values)
        for value in rest:
            first = merge(first, value)
        return first

    return fold


def settled(found: Found, resolver: Resolver | None) -> Found:
    """What a read shows: concurrent values as the one that the resolver makes of them, with the context of them all.

    Without a resolver they are shown as they are.
    """
    if resolver is None or not isinstance(found, Siblings):
        return found
    value = resolver(found)
    if value is None:
        return Missing(bucket=found.bucket, key=found.key, context=found.context)
    return Value(
        bucket=found.bucket,
        key=found.key,
        value=value,
        content_type=common_content_type(found),
        context=found.context,
        last_modified=max((v.last_modified for v in found.values if v.last_modified is not None), default=None),
        resolved_from=len(found.values),
    )


def resolved(found: Found, resolver: Resolver | None) -> bytes | None:
    """The one value to go on from; None for a missing key. Raises SiblingsPresent for a choice without a resolver."""
    shown = settled(found, resolver)
    if isinstance(shown, Siblings):
        raise SiblingsPresent(
            f"{len(shown.values)} concurrent values stand under the key; pass resolve=, for example last_write_wins"
        )
    return shown.value if isinstance(shown, Value) else None


def common_content_type(found: Found) -> str:
    """The content type for a value that replaces what was found: that of all its values, if they agree."""
    values = found.values if isinstance(found, Siblings) else (found,) if isinstance(found, Value) else ()
    kinds = dict.fromkeys(value.content_type for value in values)
    return next(iter(kinds)) if len(kinds) == 1 else ""


def _array(value: Value) -> list[object]:
    try:
        return msgspec.json.decode(value.value, type=list[object])
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise SiblingsPresent("union needs JSON arrays, and one of the concurrent values is none") from problem
