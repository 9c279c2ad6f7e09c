"""`python -m tests.chaos`: five real nodes, real faults, and a verdict. Exit code 0 only if all promises were kept."""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import signal
import sys
from pathlib import Path

import click

from dynamo.checker import figure, visualize
from dynamo.workload import picture_file
from tests.chaos import hosts, judge_registers, nodes, report, schedule
from tests.chaos.modes import MODES
from tests.chaos.run import AROUND_S, NODES, RECOVERY_S, WARM_S, Outcome, Run, summary_text

LIMIT_S = 240.0
"""What may come on top of the asked minutes before the run is broken off."""
PICTURES = ("counterexample.html", "counterexample.svg")
SECONDS_MIN = WARM_S + RECOVERY_S + schedule.LASTS_S[1]


def main(arguments: list[str]) -> int:
    """0: all promises held; 1: not; 2: misused, or the run broke down."""
    options = _parser().parse_args(arguments)
    inside = options.hosts != "loopback" and hosts.enter("tests.chaos", arguments)
    place: hosts.Hosts = hosts.Namespaces(NODES) if inside else hosts.Loopback(NODES)
    mode = MODES[options.mode]
    kinds = schedule.kinds_of(options.faults, impossible(place).union(mode.unfit))
    load_s = max(SECONDS_MIN, options.minutes * 60 - AROUND_S)
    folder = _emptied(options.output)
    click.echo(f"seed {options.seed}; results in {folder}")
    run = Run(mode, place, folder, options.seed, click.echo)
    try:
        outcome = asyncio.run(_bounded(run, kinds, load_s))
    except (KeyboardInterrupt, asyncio.CancelledError):
        click.echo("broken off: all nodes were ended", err=True)
        return 2
    (folder / "summary.json").write_text(summary_text(outcome))
    (folder / "report.html").write_text(report.page(outcome))
    if outcome.verdict.of("linearizable"):
        counterexample(outcome, folder)
    _tell(outcome, folder)
    return 0 if outcome.passed else 1


def impossible(place: hosts.Hosts) -> frozenset[str]:
    """The faults that cannot be made here."""
    clock = frozenset() if nodes.faketime() else frozenset({"clock"})
    return clock if place.can_cut else clock | frozenset(schedule.NETWORK)


def counterexample(outcome: Outcome, folder: Path) -> None:
    """The picture of the illegal key that has the fewest operations, as a page and as a drawing."""
    keys = judge_registers.check(outcome.journal.history)
    worst = keys.worst()
    if worst is None:
        return
    drawn = visualize.draw(f"dynamo chaos, seed {outcome.seed}", [worst], keys.recording.asides)
    picture_file.write(folder / PICTURES[0], drawn)
    (folder / PICTURES[1]).write_text(figure.draw(drawn.keys[0], drawn.keys[0].views[0]) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the whole run (default: 10)")
    kinds = "mixed: siblings and last-write-wins; linearizable; quorum: siblings at R=W=quorum, as if linearizable"
    parser.add_argument("--mode", choices=tuple(MODES), default="mixed", help=f"{kinds} (default: mixed)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 10**6), help="of the schedule")
    words = ", ".join((*schedule.ALIASES, *schedule.KINDS))
    parser.add_argument("--faults", default="all", help=f"comma-separated: {words} (default: all)")
    places = ("auto", "loopback")
    parser.add_argument("--hosts", choices=places, default="auto", help="auto: namespaces where they are allowed")
    parser.add_argument("--output", type=Path, default=Path("chaos-results"), help="folder; it is emptied first")
    return parser


async def _bounded(run: Run, kinds: tuple[str, ...], load_s: float) -> Outcome:
    """The run with an end: by time, or by SIGTERM as by Ctrl-C."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with asyncio.timeout(load_s + LIMIT_S):
        return await run.run(kinds, load_s)


def _emptied(folder: Path) -> Path:
    """The folder, without what an earlier run left; a folder that holds anything else is not touched."""
    known = {"report.html", "summary.json", "history.jsonl", "nodes", "stores", *PICTURES}
    if folder.exists():
        nodes.end_leftovers(folder / "nodes")
        strange = sorted({entry.name for entry in folder.iterdir()} - known)
        if strange:
            sys.exit(f"{folder} holds {', '.join(strange)}, which no run has made; name another folder with --output")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder.resolve()


def _tell(outcome: Outcome, folder: Path) -> None:
    for name, count in outcome.verdict.checked.items():
        click.echo(f"{count:8,} {name}")
    for name, seconds in outcome.recovery.items():
        click.echo(f"{name} {f'{seconds:g} s after the last fault' if seconds is not None else 'never'}")
    for violation in outcome.verdict.violations[:20]:
        click.echo(f"  {violation}")
    click.echo(
        f"{len(outcome.verdict.violations)} violations" if outcome.verdict.violations else "all promises were kept"
    )
    click.echo(f"report: {folder / 'report.html'}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
