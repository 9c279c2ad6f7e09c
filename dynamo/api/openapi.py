"""The contract, `openapi.json`, written by hand and served as it is; and a page made of it, to read.

The page is made once, here: no script runs in the reader's browser, and nothing is fetched from anywhere.
"""

from __future__ import annotations

import html
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from dynamo.api import parameters
from dynamo.api.answer import JSON_TYPE, Answer
from dynamo.api.call import Call
from dynamo.protocol.http_fields import REQUEST_ID

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}"
    "code,h2{font-family:monospace}h2{font-size:1.05rem;margin:2rem 0 0}td{padding:0 1rem 0 0;vertical-align:top}"
    "pre{white-space:pre-wrap}"
)


async def document(call: Call) -> Answer:
    """GET /openapi.json."""
    parameters.parse(call.query, parameters.NOTHING)
    return Answer(200, {"Content-Type": JSON_TYPE, REQUEST_ID: call.trace}, contract())


async def page(call: Call) -> Answer:
    """GET /docs."""
    parameters.parse(call.query, parameters.NOTHING)
    fields = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": _POLICY, REQUEST_ID: call.trace}
    return Answer(200, fields, _page())


@cache
def contract() -> bytes:
    """The document's bytes."""
    return (Path(__file__).parent / "openapi.json").read_bytes()


@cache
def _page() -> bytes:
    whole: dict[str, Any] = msgspec.json.decode(contract())
    info = whole["info"]
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{_text(info["title"])} API</title>',
        f"<style>{_STYLE}</style><h1>{_text(info['title'])} {_text(info['version'])}</h1>",
        f"<pre>{_text(info['description'])}</pre><p>The whole contract: <a href='/openapi.json'>/openapi.json</a>",
    ]
    for path, item in whole["paths"].items():
        shared = item.get("parameters", [])
        for method, operation in item.items():
            if method not in ("parameters", "servers"):
                parts.append(_operation(whole, method, path, operation, shared))
    return "\n".join(parts).encode()


def _operation(whole: dict[str, Any], method: str, path: str, operation: dict[str, Any], shared: list[Any]) -> str:
    about = operation["summary"] + " " + operation.get("description", "")
    rows = []
    for each in [*shared, *operation.get("parameters", [])]:
        parameter = _resolved(whole, each)
        words = parameter.get("description", "")
        rows.append(f"<tr><td><code>{_text(parameter['name'])}</code><td>{parameter['in']}<td>{_text(words)}")
    for status, each in operation["responses"].items():
        words = _resolved(whole, each)["description"]
        rows.append(f"<tr><td><code>{status}</code><td>answer<td>{_text(words)}")
    return f"<h2>{method.upper()} {_text(path)}</h2><p>{_text(about)}<table>{''.join(rows)}</table>"


def _resolved(whole: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """What a reference points to; anything else as it is."""
    found: dict[str, Any] = part
    while "$ref" in found:
        reference, found = found["$ref"], whole
        for name in reference.removeprefix("#/").split("/"):
            found = found[name]
    return found


def _text(words: str) -> str:
    return html.escape(words.strip())
