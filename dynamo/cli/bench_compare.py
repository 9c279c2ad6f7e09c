"""`dynamo bench compare A B`: two results of `dynamo bench run`, what differs, and whether that is more than chance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dynamo.cli.output import FAILED, OK, OUTCOME_UNKNOWN, as_json_option, emit, note, table

if TYPE_CHECKING:
    from dynamo.report.differences import Difference
    from dynamo.report.result import Result

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("a", type=_FILE)
@click.argument("b", type=_FILE)
@click.option("--fail-if-worse", is_flag=True, help="End with 1 if anything is worse in B beyond chance.")
@as_json_option
def compare(a: Path, b: Path, *, fail_if_worse: bool, as_json: bool) -> int:
    """Compare the results in files A and B: B minus A, with 95 % intervals.

    Ends with 4 if one of the runs is not to be believed, since nothing follows then.
    """
    import msgspec

    from dynamo.report import differences

    first, second = load(a), load(b)
    found = differences.compare(first, second)
    problems = [f"{path}: {problem}" for path, each in ((a, first), (b, second)) for problem in each.problems]
    if as_json:
        emit({**msgspec.to_builtins(found), "problems": problems})
    else:
        for line in found.asked:
            note(f"asked differently: {line}")
        heads = ("", "A", "B", "B - A, 95 %", "")
        table(heads, [_row(each) for each in found.differences])
        for problem in problems:
            note(f"NOT TO BE BELIEVED: {problem}")
    if problems:
        return OUTCOME_UNKNOWN
    return FAILED if fail_if_worse and found.worse else OK


def load(path: Path) -> Result:
    """The result in a file. Raises click.BadParameter if it is none."""
    from dynamo.report.result import from_json

    try:
        return from_json(path.read_bytes())
    except ValueError as problem:
        raise click.BadParameter(str(problem), param_hint=str(path)) from problem


def _row(each: Difference) -> tuple[str, str, str, str, str]:
    by = "too little to say" if each.low is None or each.high is None else f"{each.low:+.4g} to {each.high:+.4g}"
    unit = each.unit if each.unit.startswith("/") else f" {each.unit}"
    return each.what, f"{each.value_a:.4g}{unit}", f"{each.value_b:.4g}{unit}", by, each.verdict
