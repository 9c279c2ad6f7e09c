"""`dynamo bench report RESULT OUT`: the charts of a result that was saved before."""

from __future__ import annotations

from pathlib import Path

import click

from dynamo.cli.bench_compare import load
from dynamo.cli.output import OK, as_json_option, emit, note


@click.command()
@click.argument("result", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@as_json_option
def report(result: Path, out: Path, *, as_json: bool) -> int:
    """Draw the result in file RESULT (of `dynamo bench run --save`) as one HTML file OUT."""
    from dynamo.report.page import page

    out.write_text(page(load(result)), encoding="utf-8")
    if as_json:
        emit({"file": str(out)})
    else:
        note(f"Report: {out}")
    return OK
