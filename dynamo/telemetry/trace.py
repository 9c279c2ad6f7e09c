"""The id that one client request has in every answer and in the logs of every node it touches.

Taken from the client if it sent a sane one (`Request-Id`, or the trace id of a W3C `traceparent`), else made here. What
is taken is limited to harmless characters, since it is echoed in a header and written to logs.
"""

from __future__ import annotations

import os
import re
from itertools import count

_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_NO_TRACE = "0" * 32

# Random once per process, then counted: unique among nodes and restarts, and no system call per request.
_process = os.urandom(6).hex()
_numbers = count(1)


def mint() -> str:
    """A request id that no other request has."""
    return f"{_process}-{next(_numbers):x}"


def request_id(given: str | None, traceparent: str | None) -> str:
    """The id of a request with these headers (None where absent). Insane ones are ignored, not refused."""
    if given is not None and _SANE.fullmatch(given):
        return given
    if traceparent is not None:
        match = _TRACEPARENT.fullmatch(traceparent)
        if match and match[1] != _NO_TRACE:
            return match[1]
    return mint()
