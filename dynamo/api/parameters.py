"""The query of a request: every parameter known, each at most once, each within its range.

An unknown parameter is refused by name with the nearest known one: a misspelt `consistency` that is ignored would be a
read at another level than its author believes.

The parameters of reads and writes of one key are kept parsed, by their text: programs send few different ones.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote_to_bytes

import msgspec

from dynamo.errors import InvalidParameter
from dynamo.protocol.bucket import N_MAX
from dynamo.protocol.commands import Consistency
from dynamo.protocol.http_fields import parse_duration_s

READ = frozenset({"consistency", "r", "pr", "sloppy", "timeout", "siblings"})
DELETE = frozenset({"consistency", "w", "dw", "pw", "sloppy", "timeout"})
WRITE = DELETE | {"ttl"}
LIST = frozenset({"consistency", "r", "timeout", "prefix", "start", "end", "limit", "cursor", "values"})
BATCH = (READ | DELETE) - {"siblings"}
TIMEOUT = frozenset({"timeout"})
NOTHING: frozenset[str] = frozenset()

TTL_S_MAX = 100 * 365 * 86400
_LEVELS = tuple(level.value for level in Consistency)
_SIBLINGS = ("all", "lww", "fail")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ELSEWHERE = {
    "n": "n belongs to the bucket: PUT /v1/buckets/{bucket}",
    **dict.fromkeys(("w", "dw", "pw", "ttl"), "it is a parameter of writes"),
    **dict.fromkeys(("r", "pr", "siblings"), "it is a parameter of reads"),
}


class Parameters:
    """The parameters of one request, still in the client's spelling. Reading one checks it. Raises InvalidParameter."""

    __slots__ = ("_given",)

    def __init__(self, given: dict[str, str]) -> None:
        self._given = given

    def text(self, name: str) -> str | None:
        """The decoded value, or None."""
        data = self.data(name)
        if data is None:
            return None
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise InvalidParameter(f"{name} is not valid UTF-8", parameter=name) from None

    def data(self, name: str) -> bytes | None:
        """The decoded value as bytes, or None."""
        raw = self._given.get(name)
        return None if raw is None else unescaped(raw.replace("+", " "), name)

    def quorum(self, name: str) -> int | str | None:
        """A number, or one of the words one, quorum, all. What a bucket's n allows is checked where n is known."""
        text = self.text(name)
        if text is None or text in ("one", "quorum", "all"):
            return text
        smallest = 1 if name in ("r", "w") else 0
        if not (text.isascii() and text.isdigit() and len(text) <= 3 and smallest <= int(text) <= N_MAX):
            raise InvalidParameter(
                f"{name} must be one, quorum, all or a number from {smallest} to {N_MAX}, not {text!r}", parameter=name
            )
        return int(text)

    def consistency(self) -> Consistency | None:
        text = self.choice("consistency", _LEVELS)
        return None if text is None else Consistency(text)

    def choice(self, name: str, words: tuple[str, ...]) -> str | None:
        """One of the words."""
        text = self.text(name)
        if text is not None and text not in words:
            raise InvalidParameter(f"{name} must be one of {', '.join(words)}, not {text!r}", parameter=name)
        return text

    def flag(self, name: str) -> bool | None:
        text = self.choice(name, ("true", "false"))
        return None if text is None else text == "true"

    def integer(self, name: str, smallest: int, largest: int) -> int | None:
        text = self.text(name)
        if text is None:
            return None
        if not (text.isascii() and text.isdigit() and len(text) <= 9 and smallest <= int(text) <= largest):
            raise InvalidParameter(
                f"{name} must be a number from {smallest} to {largest}, not {text!r}", parameter=name
            )
        return int(text)

    def timeout_s(self) -> float | None:
        """Seconds that the request may take."""
        text = self.text("timeout")
        return None if text is None else duration_s("timeout", text)

    def ttl_ms(self) -> int | None:
        """Milliseconds to live; 0 is for ever, None takes the bucket's."""
        text = self.text("ttl")
        return None if text is None else ttl_ms(text)


NONE_GIVEN = Parameters({})


class ReadOptions(msgspec.Struct, frozen=True, gc=False):
    """The parameters of a read; None where the client did not say."""

    consistency: Consistency | None
    r: int | str | None
    pr: int | str | None
    sloppy: bool | None
    timeout_s: float | None
    siblings: str


class WriteOptions(msgspec.Struct, frozen=True, gc=False):
    """The parameters of a write; None where the client did not say."""

    consistency: Consistency | None
    w: int | str | None
    dw: int | str | None
    pw: int | str | None
    sloppy: bool | None
    timeout_s: float | None
    ttl_ms: int | None


@lru_cache(maxsize=1024)
def read_options(query: str, known: frozenset[str] = READ) -> ReadOptions:
    """The options of a raw query. Raises InvalidParameter."""
    given = parse(query, known)
    return ReadOptions(
        given.consistency(),
        given.quorum("r"),
        given.quorum("pr"),
        given.flag("sloppy"),
        given.timeout_s(),
        given.choice("siblings", _SIBLINGS) or "all",
    )


@lru_cache(maxsize=1024)
def write_options(query: str, known: frozenset[str] = WRITE) -> WriteOptions:
    """The options of a raw query. Raises InvalidParameter."""
    given = parse(query, known)
    return WriteOptions(
        given.consistency(),
        given.quorum("w"),
        given.quorum("dw"),
        given.quorum("pw"),
        given.flag("sloppy"),
        given.timeout_s(),
        given.ttl_ms(),
    )


@lru_cache(maxsize=1024)
def only_timeout_s(query: str) -> float | None:
    """The timeout of a raw query that may hold nothing else. Raises InvalidParameter."""
    return parse(query, TIMEOUT).timeout_s()


def parse(query: str, known: frozenset[str]) -> Parameters:
    """The parameters of a raw query string. Raises InvalidParameter for one that is unknown or given twice."""
    if not query:
        return NONE_GIVEN
    given: dict[str, str] = {}
    for pair in query.split("&"):
        if not pair:
            continue
        name, _, value = pair.partition("=")
        if "%" in name:
            name = unescaped(name, "query").decode("utf-8", "replace")
        if name not in known:
            raise _unknown(name, known)
        if name in given:
            raise InvalidParameter(f"{name} is given twice", parameter=name)
        given[name] = value
    return Parameters(given)


def ttl_ms(text: str) -> int:
    """Milliseconds of a duration, rounded up so that a short life is not an endless one; 0 is for ever."""
    seconds = duration_s("ttl", text)
    if seconds > TTL_S_MAX:
        raise InvalidParameter("ttl must be at most 100 years; 0s is for ever", parameter="ttl")
    return math.ceil(seconds * 1000)


def unescaped(raw: str, parameter: str) -> bytes:
    """The bytes of percent-encoded text. Raises InvalidParameter for a stray percent sign."""
    if "%" not in raw:
        return raw.encode("utf-8", "surrogateescape")
    if _BAD_ESCAPE.search(raw):
        raise InvalidParameter(
            "a percent sign must be followed by two hexadecimal digits; write the sign itself as %25",
            parameter=parameter,
        )
    return unquote_to_bytes(raw.encode("utf-8", "surrogateescape"))


def duration_s(name: str, text: str) -> float:
    """Seconds of a duration as clients write it. Raises InvalidParameter."""
    try:
        return parse_duration_s(text)
    except ValueError as problem:
        raise InvalidParameter(f"{name}: {problem}", parameter=name) from None


def _unknown(name: str, known: Iterable[str]) -> InvalidParameter:
    if name in _ELSEWHERE:
        reason = _ELSEWHERE[name]
    elif close := difflib.get_close_matches(name, known, n=1):
        reason = f"did you mean {close[0]}?"
    else:
        reason = f"there are {', '.join(sorted(known))}" if known else "this resource takes none"
    return InvalidParameter(f"unknown parameter {name[:64]!r}: {reason}", parameter=name[:64])
