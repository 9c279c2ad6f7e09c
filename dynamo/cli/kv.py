"""`dynamo kv`: objects, one at a time."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, BinaryIO

import click

from dynamo.cli.connect import DURATION, KEY, cluster_options, given, read_options, run, write_options
from dynamo.cli.lazy import LazyGroup, Verb
from dynamo.cli.output import FAILED, OK, USAGE, emit, named, note, raw, report, shown, size, table

if TYPE_CHECKING:
    from dynamo.client.client import AsyncClient
    from dynamo.client.results import Found, Seen, Siblings, Value, Written

kv = LazyGroup(
    "kv",
    {
        "get": Verb("dynamo.cli.kv:get", "print a value"),
        "put": Verb("dynamo.cli.kv:put", "write a value"),
        "delete": Verb("dynamo.cli.kv:delete", "remove a value"),
        "list": Verb("dynamo.cli.kv:list_keys", "print the keys of a bucket"),
        "import": Verb("dynamo.cli.kv_import:import_file", "write the lines of a file"),
        "export": Verb("dynamo.cli.kv_export:export", "write a bucket to a file"),
    },
    "Objects: bytes under a key in a bucket. A key is typed as text, or as base64:... for any bytes.",
)


@click.command()
@click.argument("bucket")
@click.argument("key", type=KEY)
@read_options
@click.option("--siblings", type=click.Choice(["all", "lww", "fail"]), help="What to do with concurrent values.")
@click.option("--sibling", "picked", type=click.IntRange(1), help="Print this one of the concurrent values.")
@click.option("--context", help="Answer nothing older than this Dynamo-Context.")
@cluster_options
def get(
    bucket: str,
    key: bytes,
    picked: int | None,
    context: str | None,
    endpoints: str,
    timeout_s: float,
    as_json: bool,
    **options: int | str | None,
) -> int:
    """Print the value as it was stored. Concurrent values are shown as a table."""
    from dynamo.client.results import Missing, Value

    async def call(client: AsyncClient) -> Found:
        return await client.get(bucket, key, seen=context, **given(**options))

    found = run(call, endpoints, timeout_s)
    if isinstance(found, Missing):
        detail = f"{bucket}/{shown(key)} has no value"
        report(
            as_json, "key-not-found", "No such key", detail, members=given(context=found.context, version=found.version)
        )
        return FAILED
    values = [found] if isinstance(found, Value) else list(found.values)
    if picked is not None:
        if picked > len(values):
            report(as_json, "usage", "Usage", f"there are {len(values)} values, so no number {picked}")
            return USAGE
        found = values[picked - 1]
    if as_json:
        emit(_document(found))
    elif isinstance(found, Value):
        raw(found.value)
    else:
        _print_siblings(found)
    return OK


@click.command()
@click.argument("bucket")
@click.argument("key", type=KEY)
@click.argument("value", required=False)
@click.option("--file", "source", type=click.File("rb"), help="Take the value from a file; - is standard input.")
@click.option("--content-type", default="", help="Stored with the value; text/plain for a typed one.")
@click.option("--meta", multiple=True, metavar="NAME=TEXT", help="Metadata; may be given several times.")
@click.option("--ttl", "ttl_s", type=DURATION, help="Time to live.")
@click.option("--context", help="The Dynamo-Context of what this replaces.")
@click.option("--replace", is_flag=True, help="Read first, and replace what is there.")
@write_options
@cluster_options
def put(
    bucket: str,
    key: bytes,
    *,
    value: str | None,
    source: BinaryIO | None,
    content_type: str,
    meta: tuple[str, ...],
    context: str | None,
    replace: bool,
    endpoints: str,
    timeout_s: float,
    as_json: bool,
    **options: str | float | None,
) -> int:
    """Write VALUE, a file, or standard input.

    Without --context or --replace the write has seen nothing: in a siblings bucket it stands beside what is there.
    """
    data, kind = value_of(value, source, content_type)
    metadata = metadata_of(meta)

    async def call(client: AsyncClient) -> Written:
        seen: Seen = await client.get(bucket, key) if replace else context
        return await client.put(bucket, key, data, seen=seen, content_type=kind, meta=metadata, **given(**options))

    _print_written(run(call, endpoints, timeout_s), as_json)
    return OK


@click.command()
@click.argument("bucket")
@click.argument("key", type=KEY)
@click.option("--context", help="The Dynamo-Context of what is to go; what was written later stays.")
@write_options
@cluster_options
def delete(
    bucket: str,
    key: bytes,
    context: str | None,
    endpoints: str,
    timeout_s: float,
    as_json: bool,
    **options: str | float | None,
) -> int:
    """Remove what is there, or with --context only what was seen."""

    async def call(client: AsyncClient) -> Written:
        return await client.delete(bucket, key, seen=context, **given(**options))

    _print_written(run(call, endpoints, timeout_s), as_json)
    return OK


@click.command("list")
@click.argument("bucket")
@click.option("--prefix", type=KEY, default="", help="Keys that begin with this.")
@click.option("--start", type=KEY, default="", help="The first key.")
@click.option("--end", type=KEY, default="", help="The first key that is not wanted any more.")
@click.option("--limit", type=click.IntRange(1), help="At most so many.")
@click.option("--values", is_flag=True, help="Values, too (with --json).")
@cluster_options
def list_keys(
    bucket: str,
    *,
    prefix: bytes,
    start: bytes,
    end: bytes,
    limit: int | None,
    values: bool,
    endpoints: str,
    timeout_s: float,
    as_json: bool,
) -> int:
    """Print keys, one a line; with --json one document a line."""
    if values and not as_json:
        raise click.UsageError("--values needs --json")

    async def call(client: AsyncClient) -> None:
        count = 0
        async for entry in client.list(bucket, prefix=prefix, start=start, end=end, values=values):
            if as_json:
                document: dict[str, object] = {**named("key", entry.key)}
                if values:
                    document |= {"context": entry.context, "values": [_fields(v) for v in entry.values]}
                emit(document)
            else:
                click.echo(shown(entry.key))
            count += 1
            if count == limit:
                return

    run(call, endpoints, timeout_s, token_aware=True)
    return OK


def value_of(value: str | None, source: BinaryIO | None, content_type: str) -> tuple[bytes, str]:
    """The bytes to write and their type. Raises UsageError for two sources."""
    if value is not None and source is not None:
        raise click.UsageError("give the value as an argument or as --file, not both")
    if value is not None:
        return value.encode("utf-8", "surrogateescape"), content_type or "text/plain; charset=utf-8"
    if source is None and sys.stdin.isatty():
        note("reading the value from the terminal; Ctrl-D ends it")
    return (source or sys.stdin.buffer).read(), content_type


def metadata_of(texts: tuple[str, ...]) -> dict[str, str]:
    """Metadata as it was typed. Raises UsageError."""
    return dict(_pair(text) for text in texts)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.UsageError(f"--meta is written NAME=TEXT, not {text!r}")
    return name, value


def _document(found: Value | Siblings) -> dict[str, object]:
    from dynamo.client.results import Value

    head: dict[str, object] = {"bucket": found.bucket, **named("key", found.key), "context": found.context}
    if isinstance(found, Value):
        return head | _fields(found)
    return head | {"siblings": [_fields(v) for v in found.values]}


def _fields(value: Value) -> dict[str, object]:
    return {
        **named("value", value.value),
        "content_type": value.content_type,
        "etag": value.etag,
        "meta": value.meta,
        "last_modified": None if value.last_modified is None else value.last_modified.isoformat(),
        "expires_at": None if value.expires_at is None else value.expires_at.isoformat(),
        **given(version=value.version),
    }


def _print_siblings(found: Siblings) -> None:
    rows = [
        (
            number,
            value.last_modified.isoformat(timespec="milliseconds") if value.last_modified else "-",
            value.content_type,
            size(len(value.value)),
            shown(value.value, 60),
        )
        for number, value in enumerate(found.values, 1)
    ]
    table(("#", "last modified", "content type", "size", "value"), rows)
    key = shown(found.key)
    note(f"{len(rows)} concurrent values. Print one with --sibling N; write one in place of all with:")
    note(f"  dynamo kv put {found.bucket} {key} VALUE --context {found.context}")


def _print_written(written: Written, as_json: bool) -> None:
    if as_json:
        emit(
            {
                "bucket": written.bucket,
                **named("key", written.key),
                "context": written.context,
                "etag": written.etag,
                "siblings": written.siblings,
                "acks": {"primaries": written.primaries, "fallbacks": written.fallbacks},
                "coordinator": written.coordinator,
                **({} if written.version is None else {"version": written.version, "repeated": written.repeated}),
            }
        )
        return
    if written.version is not None:
        note(f"version {written.version}; coordinator {written.coordinator}")
        return
    acks = f"{written.primaries} primaries" + (f", {written.fallbacks} fallbacks" if written.fallbacks else "")
    note(f"on disk at {acks}; coordinator {written.coordinator}")
    if written.siblings > 1:
        note(f"the key has {written.siblings} concurrent values now; `dynamo kv get` shows them")
