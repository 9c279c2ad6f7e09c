"""`dynamo locate`: which nodes hold a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dynamo.cli.connect import KEY, cluster_options, run
from dynamo.cli.output import OK, emit, named, note, shown, table

if TYPE_CHECKING:
    from dynamo.client.client import AsyncClient
    from dynamo.client.results import Location


@click.command()
@click.argument("bucket")
@click.argument("key", type=KEY)
@cluster_options
def locate(bucket: str, key: bytes, endpoints: str, timeout_s: float, as_json: bool) -> int:
    """Print the partition of a key and its preference list."""

    async def call(client: AsyncClient) -> Location:
        return await client.locate(bucket, key)

    found = run(call, endpoints, timeout_s)
    replicas = [
        {"node": r.node, "host": r.host, "client_port": r.client_port, "host_label": r.host_label, "role": r.role}
        for r in found.replicas
    ]
    if as_json:
        emit(
            {
                "bucket": bucket,
                **named("key", key),
                "partition": found.partition,
                "token": found.token,
                "epoch": found.epoch,
                "replicas": replicas,
            }
        )
        return OK
    note(f"{bucket}/{shown(key)}: partition {found.partition}, token {found.token}, epoch {found.epoch}")
    rows = [(r.node, f"{r.host}:{r.client_port}", r.host_label or "-", r.role) for r in found.replicas]
    table(("node", "address", "host", "role"), rows)
    return OK
