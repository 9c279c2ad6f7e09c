"""Asking a node's operations listener, with nothing but the standard library: quick to import, one at a time."""

from __future__ import annotations

import http.client
import json
from typing import NamedTuple


class Reply(NamedTuple):
    """What the listener said; `status` 0: nothing, and `text` says why."""

    status: int
    text: str

    @property
    def document(self) -> dict[str, object]:
        """The body as a JSON object; empty if it is none."""
        try:
            found = json.loads(self.text)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def fetch(host: str, port: int, path: str, timeout_s: float, method: str = "GET") -> Reply:
    """What a path answers."""
    connection = http.client.HTTPConnection(host.strip("[]"), port, timeout=timeout_s)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return Reply(response.status, response.read().decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException) as problem:
        return Reply(0, str(problem) or type(problem).__name__)
    finally:
        connection.close()
