"""The options of every verb that talks to a cluster, and the client behind them."""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dynamo.cli.output import as_json_option
from dynamo.protocol.http_fields import parse_duration_s

if TYPE_CHECKING:
    from dynamo.client.client import AsyncClient

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

ENDPOINTS_DEFAULT = "127.0.0.1:7610,127.0.0.1:7620,127.0.0.1:7630"


class Duration(click.ParamType[float]):
    """`250ms`, `2s`, `1h`: seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        try:
            return parse_duration_s(str(value))
        except ValueError as problem:
            self.fail(str(problem), param, ctx)


class Quorum(click.ParamType["int | str"]):
    """A number, or one, quorum, all."""

    name = "quorum"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        text = str(value)
        if text in ("one", "quorum", "all"):
            return text
        if not text.isdigit():
            self.fail(f"{text!r} is neither a number nor one, quorum or all", param, ctx)
        return int(text)


class Key(click.ParamType[bytes]):
    """The bytes of a key: text as it was typed, or after `base64:` any bytes."""

    name = "key"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        if isinstance(value, bytes):
            return value
        text = str(value)
        if not text.startswith("base64:"):
            return os.fsencode(text)
        try:
            return base64.b64decode(text.removeprefix("base64:"), validate=True)
        except binascii.Error as problem:
            self.fail(f"not base64: {problem}", param, ctx)


DURATION = Duration()
QUORUM = Quorum()
KEY = Key()
CONSISTENCY = click.Choice(["one", "quorum", "all", "linearizable"])

endpoints_option = click.option(
    "--endpoints",
    envvar="DYNAMO_ENDPOINTS",
    default=ENDPOINTS_DEFAULT,
    show_default=True,
    metavar="HOST:PORT,...",
    help="Client listeners of some nodes; also DYNAMO_ENDPOINTS.",
)
consistency_option = click.option("--consistency", type=CONSISTENCY, help="How many replicas to wait for.")


def cluster_options(verb: F) -> F:
    """Endpoints, deadline and form of the output."""
    timeout = click.option(
        "--timeout",
        "timeout_s",
        type=DURATION,
        envvar="DYNAMO_TIMEOUT",
        default="5s",
        show_default=True,
        help="Deadline of a call, retries included; also DYNAMO_TIMEOUT.",
    )
    return as_json_option(endpoints_option(timeout(verb)))


def read_options(verb: F) -> F:
    """Consistency and quorums of a read."""
    r = click.option("-r", "--r", type=QUORUM, help="Replicas that must answer.")
    pr = click.option("--pr", type=QUORUM, help="Primaries among them.")
    sloppy = click.option("--sloppy/--no-sloppy", default=None, help="Whether fallbacks answer with their hints.")
    return consistency_option(r(pr(sloppy(verb))))


def write_options(verb: F) -> F:
    """Consistency, quorums and identity of a write."""
    w = click.option("-w", "--w", type=QUORUM, help="Replicas that must have it on disk.")
    dw = click.option("--dw", type=QUORUM, help="Replicas that must have synced it.")
    pw = click.option("--pw", type=QUORUM, help="Primaries among them.")
    sloppy = click.option("--sloppy/--no-sloppy", default=None, help="Whether fallbacks count.")
    identity = click.option("--idempotency-key", help="Repeats with the same key are one write.")
    return consistency_option(w(dw(pw(sloppy(identity(verb))))))


def given(**options: Any) -> dict[str, Any]:
    """Those options that were named on the command line."""
    return {name: value for name, value in options.items() if value is not None}


def run(
    work: Callable[[AsyncClient], Awaitable[T]], endpoints: str, timeout_s: float, *, token_aware: bool = False
) -> T:
    """The result of some calls. A verb of one call does not fetch the ring: that would be a second call."""
    from dynamo.client.client import AsyncClient

    async def calls() -> T:
        async with AsyncClient(endpoints.split(","), timeout_s=timeout_s, token_aware=token_aware) as client:
            return await work(client)

    return asyncio.run(calls())
