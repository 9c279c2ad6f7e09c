"""What a change of a linearizable bucket demands of the key: from header fields, and from a context.

A Dynamo-Context says what its sender has seen. Where concurrent values are kept, that decides what the write replaces;
here there is one value at a time, so a write whose sender has not seen the present version is refused: the context is a
condition on the version. A client that hands back what it read is safe in every mode.
"""

from __future__ import annotations

from multidict import CIMultiDictProxy, istr

from dynamo.consensus.record import CHOSEN
from dynamo.errors import BadContext, InvalidParameter
from dynamo.protocol.commands import Condition
from dynamo.versioning.context import Context

_IF_MATCH = istr("If-Match")
_IF_NONE_MATCH = istr("If-None-Match")
_UNSUPPORTED = (istr("If-Unmodified-Since"), istr("If-Modified-Since"), istr("If-Range"))


def condition_of(headers: CIMultiDictProxy[str], context: Context | None, *, absent: bool = False) -> Condition | None:
    """The condition of a write; None if it has none. `absent`: the key must have no value, whatever the client says.

    Raises InvalidParameter, BadContext.
    """
    for name in _UNSUPPORTED:
        if name in headers:
            raise InvalidParameter(f"{name} is not supported on a write; send If-Match with an ETag", parameter=name)
    exists, etags = _match(headers.get(_IF_MATCH))
    if _has_none_match(headers.get(_IF_NONE_MATCH)):
        absent = True
    if absent:
        if exists is not None or etags:
            raise InvalidParameter("the key cannot be there and not be there: the conditions contradict each other")
        exists = False
    version = None if context is None else version_of(context)
    if exists is None and not etags and version is None:
        return None
    return Condition(exists=exists, version=version, etags=etags)


def version_of(context: Context) -> int:
    """The version that a context has seen; 0 is that of a key never written. Raises BadContext for one of elsewhere."""
    seen = context.superseded
    if any(actor != CHOSEN for actor in seen):
        raise BadContext("the context is from a time when the bucket was of another mode; read the key again")
    return seen.get(CHOSEN, 0)


def bare_tag(text: str) -> str:
    """An entity tag without its quotes. A weak mark, as proxies add, does not matter: tags name versions."""
    return text.strip().removeprefix("W/").strip('"')


def _match(header: str | None) -> tuple[bool | None, list[str]]:
    """What If-Match asks: that there is a value, or one of these tags."""
    if header is None:
        return None, []
    tags = [bare_tag(part) for part in header.split(",") if part.strip()]
    if tags == ["*"]:
        return True, []
    if not tags or "*" in tags:
        raise InvalidParameter("If-Match holds entity tags, or * alone", parameter=_IF_MATCH)
    return None, tags


def _has_none_match(header: str | None) -> bool:
    if header is None:
        return False
    if header.strip() != "*":
        raise InvalidParameter(
            "If-None-Match on a write can only be *, for a key without a value", parameter=_IF_NONE_MATCH
        )
    return True
