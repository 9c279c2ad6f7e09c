"""Where the result of a load run goes: always a file of JSON, other files if asked for, and the terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dynamo.cli.output import emit, note, table

if TYPE_CHECKING:
    from dynamo.report.chart import Table
    from dynamo.report.result import Result

FOLDER = Path("bench-results")
_FILE = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True)
class Outputs:
    """The files that were asked for."""

    save: Path | None
    html: Path | None
    csv: Path | None
    hlog: Path | None
    history: Path | None
    prometheus: str | None


def outputs(verb: Callable[..., Any]) -> Callable[..., Any]:
    """The options of where things go."""
    for option in (
        click.option("--prometheus", metavar="[HOST:]PORT", callback=_port, help="Serve the run's own metrics there."),
        click.option("--history", type=_FILE, help="Record every operation, for `dynamo check`."),
        click.option("--hlog", type=_FILE, help="Response times as an HdrHistogram log."),
        click.option("--csv", type=_FILE, help="A row for each second and operation."),
        click.option("--html", type=_FILE, help="The report: six charts in one file."),
        click.option("--save", type=_FILE, help="The result as JSON [default: bench-results/TIME.json]."),
    ):
        verb = option(verb)
    return verb


def _port(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.rpartition(":")[2].isdecimal():
        raise click.BadParameter(f"{value!r} is no port", ctx, param)
    return value


def save(result: Result, files: Outputs, *, as_json: bool) -> None:
    """Write all files. Raises OSError."""
    from dynamo.report.chart import csv
    from dynamo.report.page import page
    from dynamo.report.result import to_json
    from dynamo.report.rows import table as rows

    path = files.save or FOLDER / f"load-{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.json"
    _write(path, to_json(result))
    if files.html is not None:
        _write(files.html, page(result).encode())
    if files.csv is not None:
        _write(files.csv, csv(rows(result)).encode())
    if files.hlog is not None:
        _write(files.hlog, _hlog(result).encode())
    if not as_json:
        note(f"Result: {path}")


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _hlog(result: Result) -> str:
    """Two tags for each operation and level: response time and service time."""
    from dynamo.workload.hlog import head, line

    parts = [head(result.began_s, f"dynamo bench run {result.taken}")]
    for each in result.slices:
        for words, requests in sorted(each.counts.requests.items()):
            tag = words.replace(" ", ".")
            parts.append(line(f"{tag}.response", each.at_s, each.seconds, requests.response))
            parts.append(line(f"{tag}.service", each.at_s, each.seconds, requests.service))
    return "".join(parts)


def show(result: Result, *, as_json: bool) -> None:
    """The result for a person, or the JSON document without its time line."""
    import msgspec

    from dynamo.report.result import SEND_DELAY_MAX
    from dynamo.report.summary import facts, probes_table, requests_table, staleness_table, warnings

    if as_json:
        document = msgspec.to_builtins(result)
        del document["slices"]
        emit({**document, "valid": result.valid, "problems": result.problems, "client_us": result.client_us})
        return
    for name, value in facts(result):
        click.echo(f"{name}: {value}")
    click.echo()
    _table(requests_table(result))
    for more in (staleness_table(result), probes_table(result)):
        if more.rows:
            click.echo()
            _table(more)
    for each in result.thresholds:
        value = "nothing to measure" if each.value is None else f"{each.value:.6g}"
        click.echo(f"{'FAILED' if each.failed else 'kept  '}  fails if {each.text}: {value}")
    for warning in warnings(result, SEND_DELAY_MAX):
        note(f"warning: {warning}")
    for problem in result.problems:
        note(f"NOT TO BE BELIEVED: {problem}")


def _table(shown: Table) -> None:
    table(shown.heads, shown.rows)
