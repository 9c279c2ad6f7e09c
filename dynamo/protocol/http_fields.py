"""Names and spellings that the HTTP API and the client share."""

from __future__ import annotations

from math import isfinite

CONTEXT = "Dynamo-Context"
SIBLINGS = "Dynamo-Siblings"
ACKS = "Dynamo-Acks"
COORDINATOR = "Dynamo-Coordinator"
EPOCH = "Dynamo-Epoch"
VERSION = "Dynamo-Version"
REPEATED = "Dynamo-Repeated"
DELETED = "Dynamo-Deleted"
EXPIRES_AT = "Dynamo-Expires-At"
META_PREFIX = "Dynamo-Meta-"
REQUEST_ID = "Request-Id"
IDEMPOTENCY_KEY = "Idempotency-Key"
RETRY_AGE = "Dynamo-Retry-Age"

PROBLEM_JSON = "application/problem+json"
PROBLEM_TYPE_PREFIX = "urn:dynamo:problem:"
DEFAULT_CONTENT_TYPE = "application/octet-stream"

TIMEOUT_S_DEFAULT = 2.0
TIMEOUT_S_MAX = 60.0
LIST_LIMIT_DEFAULT = 1000
LIST_LIMIT_MAX = 10_000
BATCH_MAX = 100
IDEMPOTENCY_KEY_MAX = 64


def parse_duration_s(text: str) -> float:
    """Seconds of `250ms`, `2s`, `1m`, `3h` or `7d`. Raises ValueError on anything else, a bare number included."""
    for unit, seconds in (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0)):
        digits = text.removesuffix(unit)
        if digits != text and digits.isascii() and digits.replace(".", "", 1).isdigit():
            duration_s = float(digits) * seconds
            if isfinite(duration_s):
                return duration_s
    raise ValueError(f"{text!r} is not a duration; write it like 250ms, 2s or 1h")
