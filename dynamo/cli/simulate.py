"""`dynamo simulate`: clusters on virtual time under random faults, one a seed; or one seed again, with its trace."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dynamo.cli.detector import detector
from dynamo.cli.output import FAILED, OK, as_json_option, emit, note
from dynamo.cli.staleness import staleness

if TYPE_CHECKING:
    from dynamo.simulation.course import Verdict
    from dynamo.simulation.swarm import Mode

MODES = ("eventual", "linearizable")
SEEDS_MAX = 10_000_000
PLAIN_EVERY_S = 5.0
SHOWN_MAX = 5
"""Violations shown of one seed; a replay shows them all."""


@click.group(invoke_without_command=True)
@click.option(
    "--seeds", type=click.IntRange(1, SEEDS_MAX), default=300, show_default=True, help="How many seeds to run."
)
@click.option("--first-seed", type=click.IntRange(0), default=1, show_default=True, help="The first of them.")
@click.option("--seed", type=click.IntRange(0), help="Run only this one, and print its trace.")
@click.option(
    "--mode",
    type=click.Choice(MODES),
    default="eventual",
    show_default=True,
    help="What is simulated: buckets whose replicas converge, or one whose keys are agreed on.",
)
@click.option("--processes", type=click.IntRange(1, 256), help="At the same time; by default as many as processors.")
@click.option(
    "--history", type=click.Path(dir_okay=False, path_type=Path), help="With --seed: write the history as JSON lines."
)
@as_json_option
@click.pass_context
def simulate(
    context: click.Context,
    seeds: int,
    first_seed: int,
    seed: int | None,
    mode: Mode,
    processes: int | None,
    history: Path | None,
    as_json: bool,
) -> int:
    """Run simulated clusters under random faults and check what their clients saw.

    Each seed draws its own cluster, clients and faults, and gives the same run every time. Ends with 1 if any seed
    breaks a promise, and says how to replay it.
    """
    if context.invoked_subcommand is not None:
        return OK
    if seed is not None:
        return _replay(mode, seed, history, as_json)
    if history is not None:
        raise click.BadParameter("a history is of one run; name it with --seed", param_hint="--history")
    from dynamo.simulation.swarm import processes_at_hand, run_many

    started_s = time.monotonic()
    total = _Total()
    verdicts = run_many(range(first_seed, first_seed + seeds), processes or processes_at_hand(), mode)
    for verdict in _shown(verdicts, seeds):
        total.add(verdict)
        if verdict.violations and not as_json:
            _show_failure(verdict, mode)
    total.report(time.monotonic() - started_s, as_json)
    return FAILED if total.failures else OK


simulate.add_command(detector)
simulate.add_command(staleness)


class _Total:
    """Sums over all seeds."""

    def __init__(self) -> None:
        self.seeds = 0
        self.operations = 0
        self.virtual_s = 0.0
        self.outcomes: dict[str, int] = {}
        self.failures: list[Verdict] = []

    def add(self, verdict: Verdict) -> None:
        self.seeds += 1
        self.operations += verdict.operations
        self.virtual_s += verdict.virtual_s
        for outcome, count in verdict.outcomes.items():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + count
        if verdict.violations:
            self.failures.append(verdict)

    def report(self, seconds: float, as_json: bool) -> None:
        """Print the sums."""
        failures = sorted(self.failures, key=lambda verdict: verdict.seed)
        if as_json:
            failed = [{"seed": v.seed, "trace_hash": v.trace_hash, "violations": v.violations} for v in failures]
            sums = {"seeds": self.seeds, "operations": self.operations, "outcomes": self.outcomes}
            emit({**sums, "virtual_s": round(self.virtual_s), "seconds": round(seconds, 1), "failures": failed})
            return
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self.outcomes.items()))
        click.echo(
            f"{self.seeds} seeds, {self.operations} operations ({outcomes}), "
            f"{self.virtual_s / 3600:.1f} h of cluster time in {seconds:.1f} s"
        )
        click.echo(f"{len(failures)} seeds failed" if failures else "no promise was broken")


def _replay(mode: Mode, seed: int, history: Path | None, as_json: bool) -> int:
    import msgspec

    from dynamo.checker.history import to_lines
    from dynamo.simulation.swarm import run_one

    verdict, recorded = run_one(mode, seed, keep_trace=True)
    if history is not None:
        history.write_text(to_lines(recorded), encoding="utf-8")
    if as_json:
        emit(msgspec.to_builtins(verdict))
        return OK if verdict.passed else FAILED
    for line in verdict.trace:
        click.echo(line)
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in verdict.outcomes.items())
    click.echo(f"\nplan: {msgspec.json.encode(verdict.plan).decode()}")
    click.echo(f"seed {seed}: {verdict.operations} operations ({outcomes}), trace {verdict.trace_hash}")
    for violation in verdict.violations:
        click.echo(f"  {violation}")
    click.echo(f"{len(verdict.violations)} violations" if verdict.violations else "no promise was broken")
    return OK if verdict.passed else FAILED


def _show_failure(verdict: Verdict, mode: Mode) -> None:
    click.echo(f"seed {verdict.seed} fails (trace {verdict.trace_hash}):")
    for violation in verdict.violations[:SHOWN_MAX]:
        click.echo(f"  {violation}")
    if len(verdict.violations) > SHOWN_MAX:
        click.echo(f"  and {len(verdict.violations) - SHOWN_MAX} more")
    said = "" if mode == "eventual" else f"--mode {mode} "
    click.echo(f"  replay: dynamo simulate {said}--seed {verdict.seed}")


def _shown(verdicts: Iterable[Verdict], count: int) -> Iterator[Verdict]:
    """The same verdicts, with progress on standard error: a bar on a terminal, a line now and then elsewhere."""
    if not sys.stderr.isatty():
        yield from _plain(verdicts, count)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), "seeds", TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield from bar.track(verdicts, total=count)


def _plain(verdicts: Iterable[Verdict], count: int) -> Iterator[Verdict]:
    due_s = time.monotonic() + PLAIN_EVERY_S
    for number, verdict in enumerate(verdicts, 1):
        yield verdict
        if time.monotonic() >= due_s:
            due_s = time.monotonic() + PLAIN_EVERY_S
            note(f"{number} of {count} seeds")
