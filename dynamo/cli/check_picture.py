"""Counterexamples of `dynamo check`: found for each key that is not legal, told as text, drawn as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dynamo.cli.progress import progress

if TYPE_CHECKING:
    from dynamo.checker.operation import Op, Value
    from dynamo.checker.picture import Judged
    from dynamo.checker.recorded import Aside
    from dynamo.checker.verdict import Verdict

html_option = click.option(
    "--html",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write a picture of it: one HTML file that needs nothing else.",
)


def explained(
    verdicts: Sequence[Verdict], keys: Mapping[str, list[Op]], model: str, initial: Value
) -> dict[str, Judged]:
    """Each of these keys with its counterexample, and with orders to draw."""
    from dynamo.checker.explain import explain

    found = {}
    with progress("explain", sum(len(keys[each.key]) for each in verdicts), in_bytes=False) as shown:
        done = 0
        for verdict in verdicts:
            found[verdict.key] = explain(verdict, keys[verdict.key], model, initial)
            done += len(keys[verdict.key])
            shown.at(done, f"{verdict.key or 'the key'} explained")
    return found


def write(path: Path, title: str, judged: Sequence[Judged], asides: Sequence[Aside], initial: Value) -> None:
    """The page. Raises click.BadParameter where it cannot be written."""
    from dynamo.checker.operation import shown
    from dynamo.checker.visualize import draw
    from dynamo.workload import picture_file

    try:
        picture_file.write(path, draw(title, judged, asides, shown(initial)))
    except OSError as problem:
        raise click.BadParameter(f"{problem.strerror}: {path}", param_hint="--html") from problem


def show(judged: Judged) -> None:
    """The counterexample for a person: the sentence, and a line an operation."""
    from dynamo.checker.picture import draw_key, starts_s
    from dynamo.checker.plain_picture import told

    click.echo("\n".join(told(draw_key(judged, starts_s([judged])))) + "\n")


def document(judged: Judged) -> dict[str, Any]:
    """For a program: which operations are the counterexample, and what is wrong with them."""
    reason = "" if judged.core_verdict is None else judged.core_verdict.reason
    return {"reason": reason, "operations": [op.index for op in judged.core]}
