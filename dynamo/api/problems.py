"""Errors as answers: RFC 9457 problem+json, the same shape for every failure on every route.

`applied` is the member that matters: `no` means nothing was or will be written, `unknown` that it may still appear. A
request that only reads changes nothing, whatever went wrong.
"""

from __future__ import annotations

import msgspec

from dynamo.api.answer import Answer
from dynamo.errors import Applied, DynamoError, WriteTimeout
from dynamo.protocol.http_fields import PROBLEM_JSON, PROBLEM_TYPE_PREFIX, REQUEST_ID

READING = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_FIXED = frozenset({"type", "title", "status", "detail", "instance", "code", "applied"})


class Refusal(Exception):
    """An error on its way to the client, with header fields that its answer must have."""

    def __init__(self, error: DynamoError, fields: dict[str, str]) -> None:
        super().__init__(error.detail)
        self.error = error
        self.fields = fields


def body(error: DynamoError, trace: str, method: str) -> dict[str, object]:
    """The members of a problem, extra ones last."""
    whole: dict[str, object] = {
        "type": PROBLEM_TYPE_PREFIX + error.code,
        "title": error.title,
        "status": error.http_status,
        "detail": error.detail,
        "instance": f"urn:dynamo:request:{trace}",
        "code": error.code,
        "applied": (Applied.NO if method in READING else error.applied).value,
    }
    whole.update((name, value) for name, value in error.members.items() if name not in _FIXED)
    return whole


def problem(error: DynamoError, trace: str, method: str, fields: dict[str, str] | None = None) -> Answer:
    """The answer for an error."""
    head = {"Content-Type": PROBLEM_JSON, REQUEST_ID: trace, "Cache-Control": "no-store", **(fields or {})}
    if error.retry_after_s is not None:
        head["Retry-After"] = str(error.retry_after_s)
    return Answer(error.http_status, head, msgspec.json.encode(body(error, trace, method), enc_hook=str))


def outcome_of(error: DynamoError) -> str:
    """The word under which the metrics count an error."""
    if error.http_status == 404:
        return "ok"
    if error.http_status == 503:
        return "unavailable"
    if error.http_status == 504 or isinstance(error, WriteTimeout):
        return "timeout"
    return "error" if error.http_status == 500 else "rejected"
