"""`dynamo check`: is a recorded history linearizable? Ours, or one of Jepsen's. Or does it keep a weaker level?

Each key is judged with a small budget first, which is enough for most; what is left undecided then is judged again with
the whole budget, on all processors. The answer is legal, illegal or undecided, and never a guess. What is shown of an
illegal key is its counterexample (`check_picture`); weaker levels are in `check_levels`.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dynamo.cli import check_levels, check_picture
from dynamo.cli.output import FAILED, OK, OUTCOME_UNKNOWN, as_json_option, emit
from dynamo.cli.progress import Progress, progress

if TYPE_CHECKING:
    from dynamo.checker.operation import Op, Value
    from dynamo.checker.picture import Judged
    from dynamo.checker.recorded import Recording
    from dynamo.checker.verdict import Verdict

FIRST_BUDGET = 50_000
"""Configurations for each key in turn, before the hard ones are shared out."""
BUDGET = 2_000_000
SHOWN_MAX = 5
"""Illegal keys that are shown; `--json` has them all."""
WORDS = {"legal": "legal", "illegal": "not linearizable", "undecided": "undecided"}
CODES = {"legal": OK, "illegal": FAILED, "undecided": OUTCOME_UNKNOWN}
SEVERITY = (OK, OUTCOME_UNKNOWN, FAILED)
"""Exit codes, the least first."""
WORST_FIRST = ("illegal", "undecided", "legal")
MODELS = ("register", "cas-register", "counter", "set", "lock", "kv")
METHODS = ("auto", "zones", "versions", "search")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--model", type=click.Choice(MODELS), help="How a key should behave. Weaker levels need none.")
@check_levels.level_option
@click.option("--bucket", help="Only keys of this bucket, where the history knows buckets.")
@click.option("--key", "keys", multiple=True, help="Only this key (bucket/key in our own histories); may be repeated.")
@click.option("--initial", metavar="VALUE", help="What keys hold at first, written as in the file; by default nothing.")
@click.option("--method", type=click.Choice(METHODS), default="auto", show_default=True, help="How to find out.")
@click.option(
    "--budget",
    type=click.IntRange(1),
    default=BUDGET,
    show_default=True,
    help="Configurations that a search may look at, for each key.",
)
@click.option(
    "--processes", type=click.IntRange(1, 256), help="For keys that are hard; by default as many as processors."
)
@check_picture.html_option
@as_json_option
def check(
    file: Path,
    *,
    model: str | None,
    levels: tuple[str, ...],
    bucket: str | None,
    keys: tuple[str, ...],
    initial: str | None,
    method: str,
    budget: int,
    processes: int | None,
    html: Path | None,
    as_json: bool,
) -> int:
    """Check whether the history in FILE (- for standard input) is linearizable, or keeps a weaker --level.

    Reads histories of `dynamo bench --history`, of `dynamo simulate --history` and of the chaos run, Jepsen's
    histories (EDN) and its logs. Ends with 0 if it is, with 1 if it is not, and says why, and with 4 if that was not
    found out within the budget.
    """
    from dynamo.simulation.swarm import processes_at_hand

    started_s = time.monotonic()
    model = check_levels.model_for(levels, model, html)
    with _uncollected():
        text, recording, first = _read(file, model, bucket, initial)
        chosen = _chosen(recording, keys)
        judge = partial(_judge, model=model, initial=first, method=method)
        try:
            strict = chosen if check_levels.is_strict(levels) else {}
            verdicts = list(_verdicts(strict, judge, budget, processes or processes_at_hand()))
        except ValueError as problem:
            raise click.BadParameter(str(problem), param_hint=str(file)) from problem
    verdicts = _with_contradictions(verdicts, recording)
    told = _told(verdicts)
    wanted = verdicts if html is not None else told if as_json else told[:SHOWN_MAX]
    judged = check_picture.explained(wanted, chosen, model, first)
    if html is not None:
        check_picture.write(html, f"{file.name}, {model}", list(judged.values()), recording.asides, first)
    found = check_levels.findings(levels, chosen, text, first)
    if as_json:
        emit({**_document(verdicts, chosen, judged, time.monotonic() - started_s), **check_levels.document(found)})
    else:
        _show(verdicts, chosen, judged)
        check_levels.show(found)
    return max(CODES[_worst(verdicts)], check_levels.code(levels, found), key=SEVERITY.index)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the collector of circles: there are none, and looking for them among millions takes half of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _read(file: Path, model: str, bucket: str | None, initial: str | None) -> tuple[str, Recording, Value]:
    from dynamo.checker.reading import initial_value, read

    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        return text, read(text, model, bucket), initial_value(initial, text)
    except ValueError as problem:
        raise click.BadParameter(str(problem), param_hint=str(file)) from problem


def _chosen(recording: Recording, keys: Sequence[str]) -> dict[str, list[Op]]:
    unknown = [key for key in keys if key not in recording.keys]
    if unknown:
        raise click.BadParameter(f"the history has no key {unknown[0]}", param_hint="--key")
    chosen = {key: ops for key, ops in recording.keys.items() if not keys or key in keys}
    if not chosen:
        raise click.BadParameter("the history has no operation on any such key", param_hint="--bucket")
    return chosen


def _judge(task: tuple[str, list[Op], int], model: str, initial: Value, method: str) -> Verdict:
    """Judge one key within a budget; at the top of the module, so that another process finds it."""
    from dynamo.checker.linearizability import check_key

    key, ops, budget = task
    return check_key(key, ops, model, initial=initial, budget=budget, method=method)


def _verdicts(keys: dict[str, list[Op]], judge: partial[Verdict], budget: int, processes: int) -> Iterator[Verdict]:
    """A verdict on each key, as they come."""
    from dynamo.simulation.swarm import shared

    first = min(FIRST_BUDGET, budget)
    hard: list[tuple[str, list[Op], int]] = []
    with progress("check", sum(map(len, keys.values())), in_bytes=False) as shown:
        done = _Done(shown)
        for key, ops in keys.items():
            verdict = judge((key, ops, first))
            if verdict.result == "undecided" and budget > first:
                hard.append((key, ops, budget))
            else:
                done.add(key, len(ops))
                yield verdict
        done.hard = len(hard)
        for verdict in shared(judge, hard, processes) if hard else ():
            done.hard -= 1
            done.add(verdict.key, len(keys[verdict.key]))
            yield verdict


class _Done:
    """What of the work has been done."""

    def __init__(self, shown: Progress) -> None:
        self._shown = shown
        self._operations = 0
        self.hard = 0

    def add(self, key: str, operations: int) -> None:
        self._operations += operations
        self._shown.at(self._operations, f"{key or 'the key'} judged" + (f", {self.hard} hard" if self.hard else ""))


def _with_contradictions(verdicts: list[Verdict], recording: Recording) -> list[Verdict]:
    """A key whose requests were answered in two ways is illegal, whatever else was found."""
    first = {each.key: each for each in reversed(recording.contradictions)}
    return [each if each.result == "illegal" else first.get(each.key, each) for each in verdicts]


def _worst(verdicts: list[Verdict]) -> str:
    return min((each.result for each in verdicts), key=WORST_FIRST.index, default="legal")


def _told(verdicts: list[Verdict]) -> list[Verdict]:
    """Those that there is something to say of."""
    return [each for each in verdicts if each.result != "legal"]


def _document(
    verdicts: list[Verdict], keys: dict[str, list[Op]], judged: dict[str, Judged], seconds: float
) -> dict[str, Any]:
    of_all = {"keys": len(keys), "operations": sum(map(len, keys.values())), "seconds": round(seconds, 3)}
    if not verdicts:
        return of_all
    counts = {result: sum(each.result == result for each in verdicts) for result in WORST_FIRST}
    told = [_as_json(each, keys[each.key], judged[each.key]) for each in _told(verdicts)]
    return {"result": _worst(verdicts), **of_all, **counts, "verdicts": told}


def _as_json(verdict: Verdict, ops: list[Op], judged: Judged) -> dict[str, Any]:
    return {
        "key": verdict.key,
        "result": verdict.result,
        "method": verdict.method,
        "reason": verdict.reason,
        "operations": [dict(zip(_COLUMNS, _row(op), strict=True)) for op in _named(verdict, ops)],
        "counterexample": check_picture.document(judged),
        "configurations": None if verdict.search is None else verdict.search.configurations,
    }


_COLUMNS = ("operation", "process", "called_s", "returned_s", "what")


def _row(op: Op) -> tuple[int, str, float, float | None, str]:
    from math import isfinite

    from dynamo.checker.operation import describe

    return op.index, op.process, op.called_s, op.returned_s if isfinite(op.returned_s) else None, describe(op)


def _named(verdict: Verdict, ops: list[Op]) -> list[Op]:
    """The operations that the verdict names, each once, in the order of their calls."""
    return [op for op in ops if op.index in verdict.operations]


def _show(verdicts: list[Verdict], keys: dict[str, list[Op]], judged: dict[str, Judged]) -> None:
    from dynamo.checker.verdict import METHODS as METHOD_NAMES

    told = _told(verdicts)
    for each in told[:SHOWN_MAX]:
        click.echo(f"{each.key or 'the key'}: {WORDS[each.result]}, by {METHOD_NAMES[each.method]}")
        check_picture.show(judged[each.key])
    if len(told) > SHOWN_MAX:
        click.echo(f"and {len(told) - SHOWN_MAX} more keys; --json has them all\n")
    counts = ", ".join(
        f"{count} {WORDS[result]}"
        for result in reversed(WORST_FIRST)
        if (count := sum(each.result == result for each in verdicts))
    )
    if verdicts:
        operations = sum(map(len, keys.values()))
        click.echo(f"{len(verdicts)} {'key' if len(verdicts) == 1 else 'keys'}, {operations} operations: {counts}")
