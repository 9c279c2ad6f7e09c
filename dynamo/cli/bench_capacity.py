"""`dynamo bench capacity`: what operations cost here, what that predicts for other sizes, and how far it is off."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dynamo.cli.bench_store import FOLDER
from dynamo.cli.output import FAILED, OK, note
from dynamo.cli.unwinding import unwinding_on_term

if TYPE_CHECKING:
    from dynamo.workload.capacity_run import Run

SIZES_MAX = 16


@click.command()
@click.option("--seconds", type=click.FloatRange(0.1, 60), default=1.0, show_default=True, help="Of each input.")
@click.option(
    "--check-seconds",
    type=click.FloatRange(0.1, 60),
    default=2.0,
    show_default=True,
    help="Of each kind of operation at each size.",
)
@click.option(
    "--sizes", default="3,5,6,9", show_default=True, metavar="N,...", help="Nodes of the clusters that check it."
)
@click.option(
    "--from",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Measure nothing: take the JSON file of an earlier run.",
)
@click.option("--cores", type=click.IntRange(1, 256), default=4, show_default=True, help="Of a machine, one node each.")
@click.option("--replicas", "n", type=click.IntRange(1, 16), default=3, show_default=True, help="N.")
@click.option(
    "--in-flight", type=click.FloatRange(1, 10_000), default=16.0, show_default=True, help="Operations at each node."
)
@click.option(
    "--round-trip-us", type=click.FloatRange(0, 1e6), default=200.0, show_default=True, help="Between two machines."
)
@click.option("--any-node", is_flag=True, help="Clients do not route by token.")
@click.option(
    "--mix",
    default="GET R=2:0.9,PUT W=2:0.1",
    show_default=True,
    metavar="KIND:SHARE,...",
    help="Of GET R=1, GET R=2, PUT W=2 and CAS.",
)
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Where to write what was found."
)
@click.option("--markdown", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the tables.")
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), help="Where to draw them.")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder for the data of the run, removed after it; where temporary files go by default.",
)
def capacity(
    *,
    seconds: float,
    check_seconds: float,
    sizes: str,
    file: Path | None,
    cores: int,
    n: int,
    in_flight: float,
    round_trip_us: float,
    any_node: bool,
    mix: str,
    json_file: Path | None,
    markdown: Path | None,
    svg: Path | None,
    data: Path | None,
) -> int:
    """Measure three nodes, predict and check clusters of other sizes here, and predict 3 to 300 machines.

    Two to three minutes; docs/capacity.md explains the model. Nothing stays behind.
    """
    from dynamo.report.capacity_chart import capacity_chart
    from dynamo.workload import capacity_report
    from dynamo.workload.capacity_table import Assumed, lines
    from dynamo.workload.processes import ServerFailed

    assumed = Assumed(
        cores=cores, n=n, in_flight=in_flight, round_trip_us=round_trip_us, by_token=not any_node, mix=_mix(mix)
    )
    try:
        found = _read(file) if file else _measured(seconds, check_seconds, _sizes(sizes), data)
    except ServerFailed as problem:
        note(f"error: {problem}")
        return FAILED
    predicted = lines(found.inputs, assumed)
    if not file:
        _keep(found, json_file or FOLDER / f"capacity-{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.json")
    if markdown:
        markdown.write_text(capacity_report.markdown(found, predicted, assumed), encoding="utf-8")
    if svg:
        svg.write_text(capacity_chart(found.checked, predicted) + "\n", encoding="utf-8")
    click.echo("\n".join(capacity_report.plain(found, predicted, assumed)))
    return OK


def _measured(seconds: float, check_seconds: float, sizes: tuple[int, ...], data: Path | None) -> Run:
    import asyncio
    import tempfile

    from dynamo.workload import capacity_run
    from dynamo.workload.capacity_bench import Timing
    from dynamo.workload.event_loop import new_event_loop

    timing = Timing(seconds=seconds, check_seconds=check_seconds, sizes=sizes)
    # Told to end, it ends its servers first, as it does for Ctrl-C.
    with (
        unwinding_on_term(),
        tempfile.TemporaryDirectory(prefix="dynamo-capacity-", dir=data) as root,
        asyncio.Runner(loop_factory=new_event_loop) as loop,
    ):
        return capacity_run.run(Path(root), timing, loop, note)


def _keep(found: Run, path: Path) -> None:
    import msgspec

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    note(f"What was found: {path}")


def _read(file: Path) -> Run:
    import msgspec

    from dynamo.workload.capacity_run import Run

    try:
        return msgspec.json.decode(file.read_bytes(), type=Run)
    except msgspec.DecodeError as problem:
        raise click.BadParameter(f"{file} is no result of this command: {problem}", param_hint="--from") from problem


def _sizes(text: str) -> tuple[int, ...]:
    try:
        found = tuple(sorted({int(each) for each in text.split(",")}))
    except ValueError:
        found = ()
    if not found or not all(3 <= each <= SIZES_MAX for each in found):
        raise click.BadParameter(f"{text!r} is no list of numbers from 3 to {SIZES_MAX}", param_hint="--sizes")
    return found


def _mix(text: str) -> dict[str, float]:
    from dynamo.workload.capacity import KINDS

    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, share = part.strip().rpartition(":")
        if name not in {kind.name for kind in KINDS}:
            raise click.BadParameter(f"{name!r} is none of {', '.join(k.name for k in KINDS)}", param_hint="--mix")
        try:
            found[name] = float(share)
        except ValueError:
            found[name] = -1.0
        if not 0 < found[name] < float("inf"):
            raise click.BadParameter(f"{share!r} is no share above 0", param_hint="--mix")
    return found
