"""`dynamo cas`: look at a key of a linearizable bucket and change it, in one step. Ends with 0 only if it did."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import click

from dynamo.cli.connect import KEY, cluster_options, given, run
from dynamo.cli.kv import metadata_of, value_of
from dynamo.cli.output import FAILED, OK, emit, named, note, raw, report, shown
from dynamo.errors import PreconditionFailed

if TYPE_CHECKING:
    from dynamo.client.client import AsyncClient
    from dynamo.client.results import Changed, Conflict
    from dynamo.client.wire import CasOptions


@click.command()
@click.argument("bucket")
@click.argument("key", type=KEY)
@click.option("--if-version", type=click.IntRange(0), help="It has this version; 0: it was never written.")
@click.option("--if-etag", help="It has this entity tag.")
@click.option("--if-absent/--if-exists", "if_absent", default=None, help="It has no value; or it has one.")
@click.option("--if-value", type=KEY, help="It has exactly this value; base64:... for any bytes.")
@click.option("--set", "text", help="Give it this value.")
@click.option("--file", "source", type=click.File("rb"), help="Give it the value in a file; - is standard input.")
@click.option("--delete", is_flag=True, help="Remove its value.")
@click.option("--add", type=int, help="Add this to the integer that its value is; none counts as 0.")
@click.option("--content-type", default="", help="Stored with the value; text/plain for a typed one.")
@click.option("--meta", multiple=True, metavar="NAME=TEXT", help="Metadata; may be given several times.")
@click.option("--idempotency-key", help="Repeats with the same key take effect once; `dynamo resolve` asks by it.")
@cluster_options
def cas(
    bucket: str,
    key: bytes,
    *,
    text: str | None,
    source: BinaryIO | None,
    delete: bool,
    content_type: str,
    meta: tuple[str, ...],
    endpoints: str,
    timeout_s: float,
    as_json: bool,
    **options: int | str | bytes | bool | None,
) -> int:
    """Change KEY if a condition holds: at most one --if-..., exactly one of --set, --file, --delete and --add.

    Exit codes: 0 applied, 1 the condition does not hold (nothing was changed), 4 unknown.
    """
    wanted: CasOptions = given(**options)  # type: ignore[assignment]
    if text is not None or source is not None:
        wanted["set"], content_type = value_of(text, source, content_type)
    if delete:
        wanted["delete"] = True
    if content_type:
        wanted["content_type"] = content_type
    if meta:
        wanted["meta"] = metadata_of(meta)

    async def call(client: AsyncClient) -> Changed | Conflict:
        return await client.cas(bucket, key, **wanted)

    return _print(run(call, endpoints, timeout_s), as_json)


def _print(result: Changed | Conflict, as_json: bool) -> int:
    from dynamo.client.results import Conflict

    if isinstance(result, Conflict):
        _report(result, as_json)
        return FAILED
    if as_json:
        value = {} if result.value is None else named("value", result.value)
        emit(
            {
                "bucket": result.bucket,
                **named("key", result.key),
                "applied": "yes",
                "version": result.version,
                "etag": result.etag,
                "exists": result.exists,
                **value,
                "context": result.context,
                "coordinator": result.coordinator,
                "repeated": result.repeated,
            }
        )
        return OK
    again = ", when it was sent before" if result.repeated else ""
    note(f"applied{again}: version {result.version}; coordinator {result.coordinator}")
    if result.value is not None:
        raw(result.value)
    return OK


def _report(conflict: Conflict, as_json: bool) -> None:
    from dynamo.client.results import Value

    found, place = conflict.found, f"{conflict.bucket}/{shown(conflict.key)}"
    members: dict[str, object] = {"version": conflict.version, "exists": isinstance(found, Value)}
    if isinstance(found, Value):
        members |= {"etag": found.etag, **named("value", found.value)}
        state = f"has version {conflict.version}: {shown(found.value, 60)}"
    else:
        state = f"has no value, at version {conflict.version}"
    kind = PreconditionFailed
    report(as_json, kind.code, kind.title, f"{place} {state}", members=members, applied=kind.applied.value)
