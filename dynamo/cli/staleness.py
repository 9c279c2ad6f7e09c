"""`dynamo simulate staleness`: whether the nodes' verdicts on stale reads are true, on virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dynamo.cli.output import FAILED, OK, as_json_option, emit, note, table

if TYPE_CHECKING:
    from dynamo.simulation.staleness import Row


@click.command()
@click.option("--seeds", type=click.IntRange(1, 1_000_000), default=300, show_default=True, help="Of strict settings.")
@click.option("--first-seed", type=click.IntRange(0), default=1, show_default=True, help="The first of them.")
@click.option("--each", type=click.IntRange(1, 100_000), default=20, show_default=True, help="Seeds of each other row.")
@click.option("--processes", type=click.IntRange(1, 256), help="At the same time; by default as many as processors.")
@as_json_option
def staleness(seeds: int, first_seed: int, each: int, processes: int | None, as_json: bool) -> int:
    """Hold the verdicts on stale reads against the truth.

    Clusters whose nodes judge every read, beside an onlooker that knows when each write was acknowledged. The first row
    sums up settings drawn at random whose quorums overlap: a single stale read there ends with 1. The others have one
    setting each, in which reads are stale.
    """
    from dynamo.simulation.staleness import WEAK, row, strict_row
    from dynamo.simulation.swarm import processes_at_hand, shared

    work: list[tuple[str, range]] = [("strict", range(s, s + 1)) for s in range(first_seed, first_seed + seeds)]
    work += [(name, range(first_seed, first_seed + each)) for name in WEAK]
    found: list[Row] = []
    for number, part in enumerate(shared(row, work, processes or processes_at_hand()), 1):
        found.append(part)
        if number % 100 == 0:
            note(f"{number} of {len(work)} done")
    strict = strict_row([part for part in found if part.name == "strict"])
    rows = [strict, *sorted((part for part in found if part.name != "strict"), key=lambda part: part.name)]
    if as_json:
        import msgspec

        emit({"seeds": seeds, "first_seed": first_seed, "each": each, "rows": msgspec.to_builtins(rows)})
    else:
        _print(rows)
    return FAILED if strict.counted_stale or strict.stale else OK


def _print(rows: list[Row]) -> None:
    heads = ("setting", "R", "W", "reads", "stale %", "measured %", "95 % interval", "unresolved %")
    table(
        heads,
        [
            (
                row.name,
                row.r or "-",
                row.w or "-",
                row.reads,
                f"{row.stale / max(1, row.reads):.2%}",
                f"{row.counted_stale / max(1, row.judged):.2%}",
                f"{row.low:.2%} to {row.high:.2%}",
                f"{row.unresolved / max(1, row.unresolved + row.judged):.2%}",
            )
            for row in rows
        ],
    )
