"""What takes too long or too much data for a test: `python -m tests.checking million | search | porcupine PATH`.

million     a million operations on one key: seconds for writing the file, reading it, and each method
search      what the search costs by clients and kinds of values
porcupine   every log of Porcupine's `test_data`, which must be there: what its authors say, and what we say
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TypeVar

import msgspec

from dynamo.checker import search, versions, zones
from dynamo.checker.history import Bucket, Call, Condition, Event, Return
from dynamo.checker.linearizability import check
from dynamo.checker.models import model_for
from dynamo.checker.operation import Op
from dynamo.checker.reading import read
from tests.unit.checker.oracle import Taste, draw

Made = TypeVar("Made")
MILLION = 1_000_000


def timed(what: str, work: Callable[[], Made]) -> Made:
    """Do it, and print how long it took."""
    began = time.perf_counter()
    made = work()
    print(f"{time.perf_counter() - began:8.2f} s  {what}", flush=True)
    return made


def million() -> bool:
    """Twenty clients, reads, blind writes and compare-and-sets, one in a hundred of unknown outcome."""
    ops = draw(Random(1), MILLION, Taste(unknown=0.01, spoil=0, clients=20, numbers=True))
    with TemporaryDirectory() as folder:
        file = Path(folder) / "history.jsonl"
        file.write_text(lines_of(ops), encoding="utf-8")
        (read_ops,) = timed("read from a file", lambda: read(file.read_text(encoding="utf-8"), "kv")).keys.values()
    by_zones = timed("zones", lambda: zones.check("k", read_ops))
    by_versions = timed("versions", lambda: versions.check("k", read_ops))
    print(f"{by_zones.checked} operations placed: {by_zones.result}, {by_versions.result}")
    return by_zones.result == by_versions.result == "legal"


def lines_of(ops: Sequence[Op]) -> str:
    """The operations as one of our own histories, in the order of time."""
    events: list[tuple[float, int, Event]] = []
    for op in ops:
        condition = Condition(op.condition, op.expected, op.expected_number) if op.condition else None
        call = Call(
            op.index, op.called, op.process, op.kind, "b", "k", 2, op.called + 9, value=op.written, condition=condition
        )
        events.append((op.called, 0, call))
        if isfinite(op.returned):
            values = () if op.seen is None else (op.seen,)
            answer = Return(op.index, op.returned, op.outcome, None, values, applied=op.applied, number=op.number)
            events.append((op.returned, 1, answer))
    events.sort(key=lambda event: event[:2])
    encode = msgspec.json.Encoder().encode
    described = Bucket("b", "linearizable", 3)
    return "".join(encode(event).decode() + "\n" for event in (described, *(each for _, _, each in events)))


def searched() -> bool:
    """Histories that only the search can judge, or that it alone is asked about."""
    for count, clients, values, unknown, numbers in (
        (100_000, 5, 0, 0.001, False),
        (100_000, 5, 5, 0, False),
        (20_000, 10, 5, 0, False),
        (100_000, 20, 0, 0.001, True),
    ):
        taste = Taste(unknown=unknown, spoil=0, clients=clients, values=values, numbers=numbers)
        ops = draw(Random(1), count, taste)
        kind = f"{values} values" if values else "unique values"
        what = f"search, {count} operations, {clients} clients, {kind}{', numbers' if numbers else ''}"
        verdict = timed(what, lambda ops=ops: search.check("k", ops, model_for("kv", ops)))
        print(f"            {verdict.result}, {verdict.search.configurations if verdict.search else 0} configurations")
    return True


def porcupine(data: Path) -> bool:
    """The logs of etcd by the answers in `porcupine_test.go` beside them, the maps by their names."""
    answers = re.findall(r"checkJepsen\(t, (\d+), (true|false)\)", (data.parent / "porcupine_test.go").read_text())
    wrong, began = [], time.perf_counter()
    for number, is_legal in answers:
        name = f"etcd_{int(number):03d}.log"
        (verdict,) = check(read((data / "jepsen" / name).read_text(), "cas-register").keys, "cas-register")
        if verdict.result != ("legal" if is_legal == "true" else "illegal"):
            wrong.append(f"{name}: {verdict.result}")
    print(f"{len(answers)} logs of etcd in {time.perf_counter() - began:.2f} s; judged otherwise: {wrong}")
    for file in sorted((data / "kv").glob("*.txt")):
        recording = read(file.read_text(), "kv")
        found = timed(file.name, lambda keys=recording.keys: {each.result for each in check(keys, "kv", initial="")})
        print(f"            {', '.join(sorted(found))}")
        if ("illegal" in found) != file.stem.endswith("bad"):
            wrong.append(file.name)
    return not wrong


def main(words: Sequence[str]) -> int:
    """0 if all is as it should be."""
    if words == ["million"]:
        return 0 if million() else 1
    if words == ["search"]:
        return 0 if searched() else 1
    if len(words) == 2 and words[0] == "porcupine":
        return 0 if porcupine(Path(words[1])) else 1
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
