"""Levels beside linearizability: how `dynamo check` asks for them, and how it shows what they found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dynamo.cli.output import FAILED, OK, OUTCOME_UNKNOWN, table
from dynamo.cli.progress import progress

if TYPE_CHECKING:
    from dynamo.checker.history import History
    from dynamo.checker.levels import Finding
    from dynamo.checker.operation import Op, Value
    from dynamo.checker.staleness import Report

LINEARIZABLE = "linearizable"
ALL = "all"
LEVELS = ("sessions", "causal", "staleness", "delta")
ANY_MODEL = "kv"
SHOWN_MAX = 5
"""Violations shown of one level; `--json` has them all."""
CODES = {"kept": OK, "measured": OK, "broken": FAILED, "unsuited": OUTCOME_UNKNOWN}

level_option = click.option(
    "--level",
    "levels",
    multiple=True,
    type=click.Choice((LINEARIZABLE, *LEVELS, ALL)),
    default=(LINEARIZABLE,),
    show_default=True,
    help="What to hold the history to; may be repeated. Staleness and delta only measure.",
)


def is_strict(levels: Sequence[str]) -> bool:
    """Whether linearizability is among what was asked."""
    return LINEARIZABLE in levels or ALL in levels


def model_for(levels: Sequence[str], model: str | None, html: Path | None) -> str:
    """The model that was named. Weaker levels need none, and then any does; raises click.UsageError for the others."""
    if model is None and (is_strict(levels) or html is not None):
        raise click.UsageError("Missing option '--model': what is a key to behave like?")
    return model or ANY_MODEL


def findings(levels: Sequence[str], keys: Mapping[str, list[Op]], text: str, initial: Value) -> list[Finding]:
    """What the weaker ones of these levels found, in the order of `LEVELS`. `text` is the whole history."""
    from dynamo.checker.levels import judge

    asked = [level for level in LEVELS if level in levels or ALL in levels]
    history = _history(text, keys) if asked else None
    found = []
    with progress("levels", len(asked), in_bytes=False) as shown:
        for done, level in enumerate(asked):
            shown.at(done, level)
            found.append(judge(level, keys, history, initial))
    return found


def _history(text: str, keys: Mapping[str, list[Op]]) -> History | None:
    """What happened on these keys, with its clocks, if it is a history of ours."""
    from dynamo.checker.history import Call, History, Return, from_lines
    from dynamo.checker.reading import is_ours

    if not is_ours(text):
        return None
    events = from_lines(text).events
    wanted = {event.op for event in events if isinstance(event, Call) and "/".join(event.place) in keys}
    return History(event for event in events if not isinstance(event, Call | Return) or event.op in wanted)


def code(levels: Sequence[str], found: Sequence[Finding]) -> int:
    """The worst of their exit codes; with `all` it is no matter that a level cannot judge."""
    codes = [CODES[each.result] for each in found if each.result != "unsuited" or ALL not in levels]
    return FAILED if FAILED in codes else max(codes, default=OK)


def show(found: Sequence[Finding]) -> None:
    """For a person."""
    for each in found:
        click.echo(f"{each.level}: {'not judged: ' if each.result == 'unsuited' else ''}{each.text}")
        for violation in each.violations[:SHOWN_MAX]:
            click.echo(f"  {violation}")
        if len(each.violations) > SHOWN_MAX:
            click.echo(f"  and {len(each.violations) - SHOWN_MAX:,} more; --json has them all")
        if each.staleness is not None and each.staleness.stale:
            _show_staleness(each.staleness)


def _show_staleness(report: Report) -> None:
    table(("  versions behind", "reads"), ((f"  {k}", count) for k, count in report.by_versions.items()))
    table(
        ("  seconds behind", "reads"),
        ((f"  up to {bound_s:g}" if bound_s else "  0", count) for bound_s, count in report.by_seconds.items()),
    )


def document(found: Sequence[Finding]) -> dict[str, Any]:
    """For a program; empty where no weaker level was asked for."""
    import msgspec

    return {"levels": [msgspec.to_builtins(each, str_keys=True) for each in found]} if found else {}
