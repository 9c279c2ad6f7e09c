"""Calls on keys of linearizable buckets over HTTP, and what the answers say, in the words of the history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from dynamo.checker.history import Call, Condition, Return
from dynamo.client import answers, wire
from dynamo.client.answers import Answer
from dynamo.client.results import Missing, Siblings, Value
from dynamo.protocol import http_fields as fields
from tests.chaos.clients import name_of, padded

Action = Literal["set", "delete", "add"]


class Wish(msgspec.Struct, frozen=True):
    """A change that somebody wants: what, and under which condition."""

    action: Action
    value: str | None = None
    amount: int = 0
    condition: Condition | None = None


class _Told(msgspec.Struct):
    """The body of an answer to a compare-and-set or a resolve."""

    version: int | None = None
    value: str | None = None
    exists: bool = False
    applied: str = ""


def read(call: Call, levels: wire.ReadOptions) -> wire.Call:
    """GET; linearizable in a bucket that is, unless `levels` say otherwise."""
    return wire.read(call.bucket, call.key.encode(), None, levels)


def change(call: Call, wish: Wish) -> wire.Call:
    """PUT or DELETE where there is no condition, else a compare-and-set."""
    options: wire.WriteOptions = {"idempotency_key": call.request}
    key = call.key.encode()
    if wish.condition is None and wish.action == "set":
        return wire.write(call.bucket, key, padded(wish.value or ""), None, "text/plain", {}, options)
    if wish.condition is None and wish.action == "delete":
        return wire.delete(call.bucket, key, None, options)
    body: dict[str, object] = {"then": _then(wish)}
    if wish.condition is not None:
        body["if"] = _if(wish.condition)
    return _posted(call, "/v1/cas", body, call.request)


def resolve(call: Call) -> wire.Call:
    """What became of the request that the call names?"""
    return _posted(call, "/v1/resolve", {"idempotency_key": call.request}, wire.new_idempotency_key())


def understood(call: Call, answer: Answer, now: float) -> Return:
    """The return that an answer stands for. Raises DynamoError for one that says that it did not work out."""
    if call.kind == "get":
        return _found(call, answer, now)
    if call.kind in ("put", "delete"):
        answers.written(answer, call.bucket, call.key.encode())
        return Return(call.op, now, "ok", number=_version(answer))
    if answer.status not in (200, 412):
        raise answers.failure(answer)
    told = msgspec.json.decode(answer.body, type=_Told)
    if call.kind == "resolve":
        return Return(call.op, now, "ok", number=told.version or None, applied=told.applied == "yes")
    applied = answer.status == 200
    values = () if told.value is None else (_name(told.value.encode()),)
    is_told = bool(values) or not told.exists
    return Return(
        call.op, now, "ok", values=values, number=told.version or None, applied=applied, told=applied or is_told
    )


def _found(call: Call, answer: Answer, now: float) -> Return:
    found = answers.found(answer, call.bucket, call.key.encode())
    if isinstance(found, Siblings):
        # A register has one value; what to make of two is not a question for a check of registers.
        return Return(call.op, now, "fail", error="siblings")
    assert isinstance(found, Value | Missing)
    values = (_name(found.value),) if isinstance(found, Value) else ()
    return Return(call.op, now, "ok", values=values, number=_version(answer))


def _name(value: bytes) -> str:
    """The name of a value; a sum is its own."""
    text = value.decode(errors="replace")
    return text if text.removeprefix("-").isdecimal() else name_of(value)


def _version(answer: Answer) -> int | None:
    """None where it is 0: a key that was deleted long ago is forgotten, and shown as if it had never been written."""
    text = answer.headers.get(fields.VERSION, "")
    return (int(text) or None) if text.isdecimal() else None


def _then(wish: Wish) -> Mapping[str, object]:
    if wish.action == "add":
        return {"add": wish.amount}
    return {"delete": True} if wish.action == "delete" else {"set": padded(wish.value or "").decode()}


def _if(condition: Condition) -> Mapping[str, object]:
    if condition.of == "absent":
        return {"absent": True}
    if condition.of == "version":
        return {"version": condition.number}
    return {"value": padded(condition.value or "").decode()}


def _posted(call: Call, root: str, body: Mapping[str, object], identity: str) -> wire.Call:
    key = call.key.encode()
    return wire.Call(
        method="POST",
        path=wire.object_path(call.bucket, key, root),
        headers={"Content-Type": "application/json", fields.IDEMPOTENCY_KEY: identity},
        body=msgspec.json.encode(body),
        bucket=call.bucket,
        key=key,
        writes=True,
    )
