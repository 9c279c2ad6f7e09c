"""Which row of a picture each operation and each fault is drawn on.

A client has a row of its own, two if it had two operations open at once. A client whose operation ended unknown is
often replaced by a new one, so a long history may have hundreds of them: above `ROWS_MAX` clients that followed each
other share a row. Faults that begin and end are bands, everything else that was remarked is a moment.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

import msgspec

from dynamo.checker.operation import Op
from dynamo.checker.recorded import Aside

ROWS_MAX = 40
BEGINS, ENDS = "begins: ", "ends: "
"""What a remark opens with where a fault lasts; the text after it is the same in both."""


class Lanes(msgspec.Struct):
    """Names of the rows, and the row of each operation by its index."""

    names: list[str]
    rows: dict[int, int]


class Happening(msgspec.Struct):
    """Something that no client did: a fault with its end, or a moment."""

    at: float
    until: float | None
    lane: str
    text: str


def of_operations(ops: Sequence[Op]) -> Lanes:
    """Rows of the operations of one key, clients in the order of their names."""
    tracks = _tracks(ops)
    if len(tracks) <= ROWS_MAX:
        names = [name for name, _ in tracks]
        return Lanes(names, {op.index: row for row, (_, held) in enumerate(tracks) for op in held})
    return _shared(tracks)


def _tracks(ops: Sequence[Op]) -> list[tuple[str, list[Op]]]:
    """The operations of each client; a second track of those that it had open beside another one."""
    clients: dict[str, list[Op]] = {}
    for op in sorted(ops, key=lambda op: op.called):
        clients.setdefault(op.process, []).append(op)
    found: list[tuple[str, list[Op]]] = []
    for name in sorted(clients, key=_natural):
        for number, held in enumerate(_apart(clients[name])):
            found.append((name if number == 0 else f"{name} ({number + 1})", held))
    return found


def _apart(ops: Iterable[Op]) -> list[list[Op]]:
    tracks: list[list[Op]] = []
    for op in ops:
        free = next((track for track in tracks if _end(track[-1]) <= op.called), None)
        if free is None:
            tracks.append([op])
        else:
            free.append(op)
    return tracks


def _end(op: Op) -> float:
    """What never ended keeps nobody waiting: the client may have gone on under the same name."""
    return op.called if op.outcome == "unknown" else op.returned


def _shared(tracks: list[tuple[str, list[Op]]]) -> Lanes:
    """Each client goes to the row that has been free for longest."""
    names: list[list[str]] = []
    rows: dict[int, int] = {}
    free: list[tuple[float, int]] = []
    for name, held in sorted(tracks, key=lambda track: track[1][0].called):
        if free and free[0][0] <= held[0].called:
            _, row = heapq.heappop(free)
        else:
            row = len(names)
            names.append([])
        names[row].append(name)
        rows.update((op.index, row) for op in held)
        heapq.heappush(free, (_end(held[-1]), row))
    return Lanes([", ".join(each) for each in names], rows)


def _natural(name: str) -> tuple[int, str]:
    """`c2` before `c10`."""
    return (len(name), name)


def of_asides(asides: Iterable[Aside]) -> list[Happening]:
    """Faults and remarks of a history, in the order of their times."""
    found: list[Happening] = []
    lasting: dict[str, Happening] = {}
    rows: list[Happening | None] = []
    for aside in asides:
        if aside.text.startswith(BEGINS):
            text = aside.text.removeprefix(BEGINS)
            lasting[text] = Happening(aside.at_s, None, _free_row(rows), text)
            rows[_row(lasting[text].lane)] = lasting[text]
            found.append(lasting[text])
        elif aside.text.startswith(ENDS) and aside.text.removeprefix(ENDS) in lasting:
            ended = lasting.pop(aside.text.removeprefix(ENDS))
            ended.until = aside.at_s
            rows[_row(ended.lane)] = None
        else:
            found.append(Happening(aside.at_s, None, "remarks", aside.text))
    return sorted(found, key=lambda happening: happening.at)


def _free_row(rows: list[Happening | None]) -> str:
    if None not in rows:
        rows.append(None)
    place = rows.index(None)
    return "faults" if place == 0 else f"faults {place + 1}"


def _row(lane: str) -> int:
    return int(lane.partition(" ")[2] or 1) - 1
