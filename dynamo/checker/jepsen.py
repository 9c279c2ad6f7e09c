"""Histories of Jepsen, Knossos and Porcupine: EDN maps, or the lines of a log.

    {:process 0, :type :invoke, :f :cas, :value [1 2]}          one a line, or all in one vector or list
    INFO  jepsen.util - 0  :invoke  :cas  [1 2]                 process, type, f, value, and an error if there is one

Events are in the order in which they happened. `:invoke` calls; `:ok` took effect; `:fail` did not; `:info` may have,
at any time from then on. A compare-and-set that failed without an error was refused, which tells that the value was
another one; a read that timed out tells nothing. A read of nil saw nothing. Processes that are no numbers (the nemesis)
are not clients: what they do is kept beside. Where all reads ask for a pair of a key and nil (`jepsen.independent`), or
operations name a `:key`, the history is one of many keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from dynamo.checker import edn
from dynamo.checker.edn import Keyword
from dynamo.checker.operation import Op, Value
from dynamo.checker.recorded import Aside, Recording

_LINE = re.compile(r"(?:^|[\s:\]-])(\d+|:?nemesis)\s+:(invoke|ok|fail|info)\s+:([\w-]+)(?:[ \t]+(.*?))?\s*$")
_KINDS = {
    **dict.fromkeys(("read", "get", "r"), "get"),
    **dict.fromkeys(("write", "put", "w"), "put"),
    **dict.fromkeys(("add", "inc", "increment"), "add"),
    **dict.fromkeys(("acquire", "lock"), "acquire"),
    **dict.fromkeys(("release", "unlock"), "release"),
    **{name: name for name in ("cas", "append", "delete")},
}
_REFUSALS = ("did-not-succeed", "precondition-failed")
"""Errors of a compare-and-set that say no more than that it was refused."""


class Event(NamedTuple):
    """One line, or one map."""

    line: int
    process: str
    type: str
    f: str
    value: Any
    error: Any
    key: Any
    time_s: float | None
    number: int | None

    @property
    def is_clients(self) -> bool:
        return self.process.lstrip("-").isdigit()


def operations(text: str, *, elements: bool = False) -> Recording:
    """The history of such a text. `elements`: what is added is an element of a set, not a number.

    Raises ValueError for what cannot be read, naming the line.
    """
    events = list(_from_maps(text) if is_edn(text) else _from_log(text))
    if not any(event.is_clients for event in events):
        raise ValueError("line 1: there is no operation in this file")
    reader = _Events(is_keyed=_is_keyed(events), elements=elements)
    for rank, event in enumerate(events):
        reader.take(rank, event)
    return reader.recording


def is_edn(text: str) -> bool:
    """Whether the text is EDN, and not the lines of a log."""
    begin = re.match(r"(?:[\s,]|;[^\n]*\n)*", text)
    return begin is not None and text[begin.end() : begin.end() + 1] in ("[", "(", "{", "#")


def _from_maps(text: str) -> Iterator[Event]:
    for line, form in edn.forms(text):
        for each in form if isinstance(form, tuple) else (form,):
            if not isinstance(each, dict):
                raise _wrong(line, f"an operation is a map, not {_shown(each)}")
            yield _from_map(line, each)


def _from_map(line: int, form: dict[Any, Any]) -> Event:
    members = {str(name): value for name, value in form.items()}
    if not {"type", "f", "process"} <= members.keys():
        raise _wrong(line, "an operation has a :type, an :f and a :process")
    time, index = members.get("time"), members.get("index")
    return Event(
        line,
        str(members["process"]),
        str(members["type"]),
        str(members["f"]),
        members.get("value"),
        members.get("error"),
        members.get("key"),
        time / 1e9 if isinstance(time, int) else None,
        index if isinstance(index, int) else None,
    )


def _from_log(text: str) -> Iterator[Event]:
    for number, line in enumerate(text.splitlines(), 1):
        match = _LINE.search(line)
        if match is not None:
            process, kind, f, rest = match.groups()
            try:
                values = [value for _, value in edn.forms(rest or "")]
            except ValueError as problem:
                raise _wrong(number, f"{str(problem).partition(': ')[2]}") from problem
            value, error = (*values, None, None)[:2]
            if isinstance(value, Keyword) and kind in ("fail", "info"):
                value, error = None, value
            yield Event(number, process.lstrip(":"), kind, f, value, error, None, None, None)


def _is_keyed(events: Iterable[Event]) -> bool:
    """Whether every read asks for a pair of a key and nil."""
    asked = [event.value for event in events if event.type == "invoke" and _KINDS.get(event.f) == "get"]
    return bool(asked) and all(isinstance(each, tuple) and len(each) == 2 and each[1] is None for each in asked)


class _Events:
    """Puts calls and their ends together."""

    def __init__(self, *, is_keyed: bool, elements: bool) -> None:
        self.recording = Recording({}, [], [])
        self._is_keyed = is_keyed
        self._elements = elements
        self._under_way: dict[str, Op] = {}

    def take(self, rank: int, event: Event) -> None:
        """The next event; `rank` is its place in the order of all."""
        at_s = float(rank) if event.time_s is None else event.time_s
        if not event.is_clients:
            said = f"{event.process} {event.f}" + ("" if event.value is None else f" {_shown(event.value)}")
            self.recording.asides.append(Aside(rank, at_s, said))
        elif event.type == "invoke":
            self._call(rank, at_s, event)
        elif event.type in ("ok", "fail", "info"):
            op = self._under_way.pop(event.process, None)
            if op is not None:
                self._end(rank, at_s, event, op)
            elif event.type != "info":
                raise _wrong(event.line, f"process {event.process} ends what it has not begun")
        else:
            raise _wrong(event.line, f":{event.type} is no :type of an operation")

    def _call(self, rank: int, at_s: float, event: Event) -> None:
        kind = _KINDS.get(event.f)
        if kind is None:
            raise _wrong(event.line, f":{event.f} is no operation that any model knows")
        key, value = self._parted(event)
        index = rank + 1 if event.number is None else event.number
        op = Op(index, event.process, kind, key, rank, called_s=at_s, outcome="unknown")
        self._ask(op, value, event)
        self._under_way[event.process] = op
        self.recording.keys.setdefault(key, []).append(op)

    def _ask(self, op: Op, value: Any, event: Event) -> None:
        """What is to be written."""
        if op.kind == "cas":
            if not isinstance(value, tuple) or len(value) != 2:
                raise _wrong(event.line, f"a :cas has a pair of values, not {_shown(value)}")
            op.condition = "absent" if value[0] is None else "value"
            op.expected, op.written = plain(value[0]), plain(value[1])
        elif op.kind == "add" and not self._elements:
            op.amount = 1 if value is None else _whole(value, event)
        elif op.kind in ("put", "append", "add"):
            op.written = plain(value)

    def _end(self, rank: int, at_s: float, event: Event, op: Op) -> None:
        refused = event.type == "fail" and op.kind == "cas" and event.error in (None, *_REFUSALS)
        if event.type == "info":
            return
        op.returned, op.returned_s = rank, at_s
        op.outcome = "ok" if event.type == "ok" or refused else "fail"
        op.applied = not refused
        if event.type == "ok" and op.kind == "get":
            op.told, op.seen = True, plain(self._parted(event)[1])

    def _parted(self, event: Event) -> tuple[str, Any]:
        if event.key is not None:
            return _shown(event.key), event.value
        if not self._is_keyed:
            return "", event.value
        if not isinstance(event.value, tuple) or len(event.value) != 2:
            raise _wrong(event.line, f"a pair of a key and a value is due, not {_shown(event.value)}")
        return _shown(event.value[0]), event.value[1]


def _wrong(line: int, text: str) -> ValueError:
    return ValueError(f"line {line}: {text}")


def _whole(value: Any, event: Event) -> int:
    if not isinstance(value, int):
        raise _wrong(event.line, f"{_shown(value)} cannot be added")
    return value


def plain(value: Any) -> Value:
    """A value that can be the key of a dict, and that differs from others as it does in EDN."""
    if isinstance(value, bool | dict):
        return _shown(value)
    if isinstance(value, tuple):
        return tuple(plain(each) for each in value)
    return str(value) if isinstance(value, Keyword) else value


def _shown(value: Any) -> str:
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{' '.join(map(_shown, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_shown(name)} {_shown(each)}" for name, each in value.items()) + "}"
    return f":{value}" if isinstance(value, Keyword) else str(value)
