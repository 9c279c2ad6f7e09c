"""`dynamo bench client`: what the load generator itself costs, against a store in memory that costs next to nothing."""

from __future__ import annotations

import click

from dynamo.cli.connect import DURATION
from dynamo.cli.output import FAILED, OK, as_json_option, emit, table

GOAL_US = 40.0


@click.command()
@click.option("--duration", "seconds", type=DURATION, default="3s", show_default=True, help="Of each measurement.")
@click.option("--fail-above", "limit_us", type=click.FloatRange(0), help="End with 1 if a request costs more, in us.")
@as_json_option
def client(*, seconds: float, limit_us: float | None, as_json: bool) -> int:
    """Measure the generator's processor time for each request: as fast as it can, and at fixed rates.

    Mix B, two levels of reads and of writes, every value checked, every read judged. The goal is 40 us as fast as it
    can. At low rates each request wakes the process up twice, which is the kernel's price and not that of the request.
    """
    from dynamo.load.client_cost import measure
    from dynamo.workload.processes import ServerFailed

    try:
        found = measure(seconds)
    except ServerFailed as problem:
        raise click.ClickException(str(problem)) from problem
    fastest = found[0].us
    if as_json:
        emit({"goal_us": GOAL_US, "measurements": [{"what": e.what, "rate": e.rate, "us": e.us} for e in found]})
    else:
        table(("", "requests/s", "us of processor time"), [(e.what, f"{e.rate:,.0f}", f"{e.us:.1f}") for e in found])
        click.echo(f"goal, as fast as it can: at most {GOAL_US:g} us: {'met' if fastest <= GOAL_US else 'missed'}")
    return FAILED if limit_us is not None and fastest > limit_us else OK
