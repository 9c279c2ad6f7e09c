"""`dynamo bucket`: buckets and their properties."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dynamo.cli.connect import QUORUM, cluster_options, given, run
from dynamo.cli.output import OK, emit, note, table

if TYPE_CHECKING:
    from dynamo.client.client import AsyncClient
    from dynamo.protocol.bucket import BucketProperties

_SHOWN = (
    *("mode", "n", "r", "w", "dw", "pr", "pw", "sloppy", "ttl_s", "value_bytes_max", "require_context"),
    "staleness_sample",
)


@click.group()
def bucket() -> None:
    """Buckets: what holds for all their keys. A first write makes a bucket with the defaults."""


@bucket.command("list")
@cluster_options
def list_buckets(endpoints: str, timeout_s: float, as_json: bool) -> int:
    """Print all buckets."""

    async def call(client: AsyncClient) -> tuple[BucketProperties, ...]:
        return await client.buckets()

    found = run(call, endpoints, timeout_s)
    if as_json:
        emit({"buckets": [_document(b) for b in found]})
    else:
        table(("name", "mode", "n", "r", "w"), [(b.name, b.mode.value, b.n, b.r, b.w) for b in found])
    return OK


@bucket.command()
@click.argument("name")
@cluster_options
def show(name: str, endpoints: str, timeout_s: float, as_json: bool) -> int:
    """Print a bucket's properties."""

    async def call(client: AsyncClient) -> BucketProperties:
        return await client.bucket(name)

    _print(run(call, endpoints, timeout_s), as_json)
    return OK


@bucket.command()
@click.argument("name")
@click.option("--mode", type=click.Choice(["siblings", "lww", "linearizable"]), help="Fixed once the bucket exists.")
@click.option("--n", type=click.IntRange(1), help="Copies of each value. Fixed once the bucket exists.")
@click.option("--r", type=QUORUM, help="Replicas that must answer a read.")
@click.option("--w", type=QUORUM, help="Replicas that must have a write on disk.")
@click.option("--dw", type=QUORUM, help="Replicas that must have synced a write.")
@click.option("--pr", type=QUORUM, help="Primaries that must answer a read.")
@click.option("--pw", type=QUORUM, help="Primaries that must have a write on disk.")
@click.option("--sloppy/--no-sloppy", default=None, help="Whether fallbacks count as replicas.")
@click.option("--ttl-s", type=click.IntRange(0), help="Seconds that a value lives; 0 is for ever.")
@click.option("--value-bytes-max", type=click.IntRange(0), help="Largest value; 0 takes the node's limit.")
@click.option("--require-context/--no-require-context", default=None, help="Refuse writes that have seen nothing.")
@click.option("--staleness-sample", type=click.FloatRange(0, 1), help="Share of reads that is judged for staleness.")
@cluster_options
def create(name: str, endpoints: str, timeout_s: float, as_json: bool, **properties: object) -> int:
    """Make a bucket, or change the named properties of one that exists (mode and n never change)."""

    async def call(client: AsyncClient) -> BucketProperties:
        return await client.put_bucket(name, **given(**properties))

    _print(run(call, endpoints, timeout_s), as_json)
    return OK


@bucket.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@cluster_options
def delete(name: str, yes: bool, endpoints: str, timeout_s: float, as_json: bool) -> int:
    """Drop a bucket with all its keys."""
    if not yes:
        click.confirm(f"Drop bucket {name} with all its keys?", abort=True, err=True)

    async def call(client: AsyncClient) -> None:
        await client.delete_bucket(name)

    run(call, endpoints, timeout_s)
    if as_json:
        emit({"deleted": name})
    else:
        note(f"dropped {name}")
    return OK


def _print(found: BucketProperties, as_json: bool) -> None:
    if as_json:
        emit(_document(found))
        return
    table(("property", "value"), [("name", found.name), *((n, v) for n, v in _document(found).items() if n != "name")])


def _document(found: BucketProperties) -> dict[str, object]:
    values = {name: getattr(found, name) for name in _SHOWN}
    return {"name": found.name, **values, "mode": found.mode.value}
