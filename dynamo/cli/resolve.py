"""`dynamo resolve`: what became of a write of unknown outcome, for good. Ends with 0 only if it was applied."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dynamo.cli.connect import KEY, cluster_options, run
from dynamo.cli.output import FAILED, OK, emit, named, note

if TYPE_CHECKING:
    from dynamo.client.client import AsyncClient
    from dynamo.client.results import Resolved


@click.command()
@click.argument("bucket")
@click.argument("key", type=KEY)
@click.argument("idempotency_key")
@cluster_options
def resolve(bucket: str, key: bytes, idempotency_key: str, *, endpoints: str, timeout_s: float, as_json: bool) -> int:
    """Ask whether the write of KEY with IDEMPOTENCY_KEY was applied; if it was not, call it off.

    In linearizable buckets, within ten minutes of the write: an older one may be taken for one that never came. Exit
    codes: 0 applied, 1 not applied and never will be, 4 unknown: ask again.
    """

    async def call(client: AsyncClient) -> Resolved:
        return await client.resolve(bucket, key, idempotency_key)

    found = run(call, endpoints, timeout_s)
    if as_json:
        emit(
            {
                "bucket": bucket,
                **named("key", key),
                "applied": "yes" if found.applied else "no",
                "version": found.version,
                "etag": found.etag,
                "exists": found.exists,
            }
        )
    elif found.applied:
        note(f"applied: it made version {found.version}")
    else:
        note(f"not applied, and never will be; the key is at version {found.version}")
    return OK if found.applied else FAILED
