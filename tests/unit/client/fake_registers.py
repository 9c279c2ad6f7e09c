"""Keys of linearizable buckets for the fake cluster: what the contract says of reads, writes, compare-and-sets."""

from __future__ import annotations

import base64
import json
from email.utils import formatdate

from aiohttp import web
from xxhash import xxh3_128_digest

from dynamo.consensus.change import Change, evaluate
from dynamo.consensus.record import as_record
from dynamo.errors import DynamoError
from dynamo.layout.register import ABSENT, Register, decode
from dynamo.protocol import http_fields as fields
from dynamo.protocol.commands import Action, ChangeCommand, ChangeOutcome, Condition
from dynamo.ring.token import key_hash
from dynamo.versioning.context import Context, from_token, to_token
from dynamo.versioning.record import etag
from tests.unit.client.faults import problem


class FakeRegisters:
    """All of them. Changes are evaluated as a coordinator does it."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, bytes], Register] = {}
        self._counter = 1_700_000_000_000

    def object(self, request: web.Request, bucket: str, key: bytes, body: bytes) -> web.Response:
        """GET, PUT, POST and DELETE of one key."""
        if request.method == "GET":
            return self.read(bucket, key)
        if "ttl=" in request.raw_path:
            return problem("invalid-parameter", "values here do not expire", parameter="ttl")
        action = Action.DELETE if request.method == "DELETE" else Action.SET
        command = self._command(request, bucket, key, action)
        if action is Action.SET:
            command.value, command.content_type = body, request.headers.get("Content-Type", "")
        context = request.headers.get(fields.CONTEXT)
        if context is not None:
            version = from_token(context, key_hash(bucket, key)).clock.get("~", 0)
            command.condition = Condition(version=version)
        outcome = self.change(command)
        if isinstance(outcome, DynamoError):
            return problem(outcome.code)
        headers = self._headers(bucket, key, outcome)
        if not outcome.applied:
            return self._refused(outcome, headers, {})
        return web.Response(status=204, headers=headers)

    def cas(self, request: web.Request, bucket: str, key: bytes, body: bytes) -> web.Response:
        wanted = json.loads(body)
        then, condition = wanted["then"], wanted.get("if")
        action = Action.DELETE if "delete" in then else Action.ADD if "add" in then else Action.SET
        command = self._command(request, bucket, key, action)
        command.amount = then.get("add", 0)
        command.value = base64.b64decode(then.get("set_b64", ""))
        command.content_type, command.meta = then.get("content_type", ""), then.get("meta", {})
        if condition is not None:
            command.condition = Condition(
                exists=None if "absent" not in condition else not condition["absent"],
                version=condition.get("version"),
                etags=[condition["etag"]] if "etag" in condition else [],
                value=base64.b64decode(condition["value_b64"]) if "value_b64" in condition else None,
            )
        outcome = self.change(command)
        if isinstance(outcome, DynamoError):
            return problem(outcome.code)
        headers = self._headers(bucket, key, outcome)
        found = decode(outcome.register)
        if not outcome.applied:
            value = (
                {} if found.value is None else _value(found) | {"content_type": found.content_type, "meta": found.meta}
            )
            return self._refused(outcome, headers, value)
        content = {"applied": "yes", **_version(outcome), "coordinator": "node1", "repeated": outcome.repeated}
        if action is Action.ADD and outcome.register:
            content |= _value(found)
        return web.json_response(content, headers=headers)

    def resolve(self, request: web.Request, bucket: str, key: bytes, body: bytes) -> web.Response:
        command = self._command(request, bucket, key, Action.RESOLVE)
        command.target = _identity(bucket, key, json.loads(body)["idempotency_key"])
        outcome = self.change(command)
        assert isinstance(outcome, ChangeOutcome)
        content = {"applied": "yes" if outcome.applied else "no", **_version(outcome)}
        return web.json_response(content, headers=self._headers(bucket, key, outcome))

    def change(self, command: ChangeCommand) -> ChangeOutcome | DynamoError:
        at = (command.bucket, command.key)
        self._counter += 1
        after, (result,), _ = evaluate(self.kept.get(at, ABSENT), [Change(command)], self._counter)
        self.kept[at] = after
        return result

    def put(self, bucket: str, key: bytes, value: bytes) -> None:
        """Somebody else writes."""
        self._counter += 1
        request = self._counter.to_bytes(16, "big")
        self.change(ChangeCommand(bucket=bucket, key=key, action=Action.SET, request=request, value=value))

    def read(self, bucket: str, key: bytes) -> web.Response:
        register = self.kept.get((bucket, key), ABSENT)
        seen = ChangeOutcome(False, register.version, b"", "node1", deleted=register.value is None)
        headers = self._headers(bucket, key, seen)
        if register.value is None:
            answer = problem("key-not-found")
            answer.headers.update(headers)
            return answer
        headers |= {"Content-Type": register.content_type, "Last-Modified": formatdate(1_700_000_000, usegmt=True)}
        return web.Response(body=register.value, headers=headers)

    def _command(self, request: web.Request, bucket: str, key: bytes, action: Action) -> ChangeCommand:
        named = request.headers[fields.IDEMPOTENCY_KEY]
        return ChangeCommand(bucket=bucket, key=key, action=action, request=_identity(bucket, key, named))

    def _headers(self, bucket: str, key: bytes, outcome: ChangeOutcome) -> dict[str, str]:
        clock = {"~": outcome.version} if outcome.version else {}
        headers = {
            fields.CONTEXT: to_token(Context(clock, 0), key_hash(bucket, key)),
            fields.VERSION: str(outcome.version),
            fields.SIBLINGS: "0" if outcome.deleted else "1",
        }
        if outcome.version:
            headers["ETag"] = f'"{_tag(outcome)}"'
        if outcome.repeated:
            headers[fields.REPEATED] = "true"
        return headers

    def _refused(self, outcome: ChangeOutcome, headers: dict[str, str], members: dict[str, object]) -> web.Response:
        said = _version(outcome)
        said["current_etag"] = said.pop("etag")
        answer = problem("precondition-failed", **said, **members)
        answer.headers.update(headers)
        return answer


def _identity(bucket: str, key: bytes, named: str) -> bytes:
    return xxh3_128_digest(b"\0".join((bucket.encode(), key, named.encode())))


def _version(outcome: ChangeOutcome) -> dict[str, object]:
    exists = outcome.version > 0 and not outcome.deleted
    return {"version": outcome.version, "etag": _tag(outcome) if outcome.version else None, "exists": exists}


def _tag(outcome: ChangeOutcome) -> str:
    return etag(as_record(Register(outcome.version, None if outcome.deleted else b"")))


def _value(found: Register) -> dict[str, object]:
    assert found.value is not None
    try:
        return {"value": found.value.decode()}
    except UnicodeDecodeError:
        return {"value_b64": base64.b64encode(found.value).decode()}
