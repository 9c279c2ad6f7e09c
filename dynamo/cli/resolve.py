"""`dynamo resolve`: what became of a write of unknown outcome, for good.

Ends with 0 only if it was applied, and with 1 only if it was not and never will be. A failure of any kind leaves the
write's outcome as unknown as it was, whatever the error says about the question: so it never ends with 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dynamo.cli.connect import KEY, cluster_options, run
from dynamo.cli.output import FAILED, OK, OUTCOME_UNKNOWN, emit, exit_code, named, note, report
from dynamo.errors import Applied, DynamoError, OutcomeForgotten

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
    codes: 0 applied, 1 not applied and never will be. With all others it stays unknown: 2 usage, 3 the cluster is not
    healthy (ask again), 4 anything else, such as no such bucket; the error says whether to ask again.
    """

    async def call(client: AsyncClient) -> Resolved:
        return await client.resolve(bucket, key, idempotency_key)

    try:
        found = run(call, endpoints, timeout_s)
    except DynamoError as error:
        _report(error, idempotency_key, as_json)
        return exit_code(error, OUTCOME_UNKNOWN)
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


def _report(error: DynamoError, idempotency_key: str, as_json: bool) -> None:
    """With `applied` and the name of the write in question: the error's own are those of the question."""
    members = {name: value for name, value in error.members.items() if name != "applied"}
    if "idempotency_key" in members:
        members["idempotency_key"] = idempotency_key
    forgotten = OutcomeForgotten.code in (error.code, members.get("last_code"))
    hint = "nobody knows any more, asking again does not help; read the key" if forgotten else None
    if hint is None and exit_code(error) == OUTCOME_UNKNOWN:
        hint = "ask again, within ten minutes of the write"
    report(as_json, error.code, error.title, error.detail, hint, members=members, applied=Applied.UNKNOWN.value)
