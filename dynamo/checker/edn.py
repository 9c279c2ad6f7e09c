r"""EDN, the notation of Clojure data, as far as histories need it: text in, plain values out.

    nil, true, 12, 1.5, "text", \c     None, True, 12, 1.5, 'text', 'c'
    :name, name                        Keyword('name'), Symbol('name')
    [..], (..)                         tuples
    {..}, #{..}                        dict, frozenset
    #tag value, #_ value, ; comment    the value alone; nothing; nothing
The standard: github.com/edn-format/edn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_TOKEN = re.compile(
    r"""[\s,]+ | ;[^\n]*
    | (?P<text>"(?:[^"\\]|\\.)*")
    | (?P<open>\#\{|[\[({])
    | (?P<close>[\])}])
    | (?P<discard>\#_)
    | (?P<tag>\#(?::?[A-Za-z][\w.\-/:]*))
    | (?P<char>\\(?:newline|space|tab|return|u[0-9a-fA-F]{4}|.))
    | (?P<atom>[^\s,;"\[\](){}\\#]+)""",
    re.VERBOSE | re.DOTALL,
)
_NUMBER = re.compile(r"[+-]?\d+(?P<fraction>\.\d*)?(?P<exponent>[eE][+-]?\d+)?[NM]?")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_CHARACTERS = {"newline": "\n", "space": " ", "tab": "\t", "return": "\r"}
_CLOSES = {"[": "]", "(": ")", "{": "}", "#{": "}"}
DEPTH_MAX = 64


class Keyword(str):
    """`:name`, without the colon."""

    __slots__ = ()


class Symbol(str):
    """A bare name."""

    __slots__ = ()


class _Token(str):
    """A piece of text with what it is and where it is."""

    __slots__ = ("kind", "line")
    kind: str
    line: int


def forms(text: str) -> Iterator[tuple[int, Any]]:
    """Every value at the top level, with the line on which it begins. Raises ValueError, naming a line."""
    reader = _Reader(text)
    while (token := reader.peek()) is not None:
        line = token.line
        value = reader.form(0)
        if value is not _NOTHING:
            yield line, value


def value_of(text: str) -> Any:
    """The one value of a text. Raises ValueError if there is none, or more."""
    found = [value for _, value in forms(text)]
    if len(found) != 1:
        raise ValueError(f"{len(found)} values where one is wanted: {text[:40]}")
    return found[0]


_NOTHING = object()
"""What a discarded value leaves."""


class _Reader:
    """Reads tokens one after the other."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next: _Token | None = None
        self._line = 1

    def peek(self) -> _Token | None:
        if self._next is None:
            self._next = next(self._tokens, None)
        return self._next

    def take(self) -> _Token:
        token = self.peek()
        if token is None:
            raise ValueError(f"line {self._line}: the text ends within a value")
        self._next, self._line = None, token.line
        return token

    def form(self, depth: int) -> Any:
        """The next value, or `_NOTHING` if it is discarded."""
        token = self.take()
        if depth > DEPTH_MAX:
            raise ValueError(f"line {token.line}: values within values, more than {DEPTH_MAX} deep")
        if token.kind == "open":
            return _collection(token, self._until(_CLOSES[token], depth))
        if token.kind == "discard":
            self._value(depth)
            return _NOTHING
        if token.kind == "tag":
            return self._value(depth)
        if token.kind == "close":
            raise ValueError(f"line {token.line}: {token} closes nothing")
        return _leaf(token)

    def _value(self, depth: int) -> Any:
        """The next value that is not discarded."""
        while (value := self.form(depth + 1)) is _NOTHING:
            pass
        return value

    def _until(self, close: str, depth: int) -> list[Any]:
        values: list[Any] = []
        while True:
            token = self.peek()
            if token is not None and token.kind == "close":
                self.take()
                if token != close:
                    raise ValueError(f"line {token.line}: {token} where {close} is due")
                return values
            value = self.form(depth + 1)
            if value is not _NOTHING:
                values.append(value)


def _tokens(text: str) -> Iterator[_Token]:
    place, line = 0, 1
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise ValueError(f"line {line}: {text[place : place + 20]!r} is no EDN")
        if match.lastgroup is not None:
            token = _Token(match.group())
            token.kind, token.line = match.lastgroup, line
            yield token
        line += match.group().count("\n")
        place = match.end()


def _leaf(token: _Token) -> Any:
    if token.kind == "text":
        return re.sub(r"\\(u[0-9a-fA-F]{4}|.)", _unescaped, token[1:-1], flags=re.DOTALL)
    if token.kind == "char":
        name = token[1:]
        return chr(int(name[1:], 16)) if len(name) == 5 and name[0] == "u" else _CHARACTERS.get(name, name)
    if token.startswith(":"):
        return Keyword(token[1:])
    number = _NUMBER.fullmatch(token)
    if number is not None:
        digits = token.rstrip("NM")
        return float(digits) if number["fraction"] or number["exponent"] else int(digits)
    return {"nil": None, "true": True, "false": False}.get(token, Symbol(token))


def _unescaped(match: re.Match[str]) -> str:
    code = match.group(1)
    return chr(int(code[1:], 16)) if len(code) == 5 else _ESCAPES.get(code, code)


def _collection(opener: _Token, values: list[Any]) -> Any:
    try:
        if opener == "{":
            if len(values) % 2:
                raise ValueError(f"line {opener.line}: a map with a key that has no value")
            return dict(zip(values[::2], values[1::2], strict=True))
        return frozenset(values) if opener == "#{" else tuple(values)
    except TypeError as problem:
        raise ValueError(f"line {opener.line}: a map or a set cannot be a key here") from problem
