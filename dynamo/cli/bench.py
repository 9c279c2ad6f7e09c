"""`dynamo bench`: a load generator for any cluster, comparisons of its results, and the benchmark of this store.

Without a verb it is `run`, which is what one wants of it most often.
"""

from __future__ import annotations

import click

from dynamo.cli.lazy import LazyGroup, Verb

VERBS = {
    "run": Verb("dynamo.cli.bench_run:run", "put a load on a cluster, and measure latency and staleness (the default)"),
    "compare": Verb("dynamo.cli.bench_compare:compare", "two results side by side, with intervals"),
    "report": Verb("dynamo.cli.bench_report:report", "the charts of a result as one HTML file"),
    "staleness": Verb(
        "dynamo.cli.bench_staleness:staleness", "stale shares, predictions and costs by level, on nodes far apart"
    ),
    "client": Verb("dynamo.cli.bench_client:client", "what the load generator itself costs for each request"),
    "growth": Verb("dynamo.cli.bench_growth:growth", "how the cost of a request grows with keys, values, nodes, ..."),
    "soak": Verb("dynamo.cli.bench_soak:soak", "a long run below the peak: do times, memory and files stay level?"),
    "capacity": Verb(
        "dynamo.cli.bench_capacity:capacity",
        "predict what other sizes of cluster carry, and check that on this machine",
    ),
    "peers": Verb("dynamo.cli.bench_peers:peers", "measure this store beside etcd, Cassandra and ZooKeeper"),
    "store": Verb("dynamo.cli.bench_store:store", "measure this store beside a bare server and etcd"),
}
DEFAULT = "run"


class BenchGroup(LazyGroup):
    """The verbs, where options without a verb are those of the default one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        first = args[0] if args else ""
        if first not in VERBS and first != "--help" and (not first or first.startswith("-")):
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


bench = BenchGroup("bench", VERBS, "Put a load on a cluster, and measure. Options without a verb are those of `run`.")
