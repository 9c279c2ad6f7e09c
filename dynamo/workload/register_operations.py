"""What a run asks linearizable buckets for. As in `operations.py`: requests as bytes, and whether an answer is right.

A compare-and-set names the version that the last answer about its key told. On keys of its own a connection always
holds the newest one; on one key for all of them most are refused, which is the answer that is right then.
"""

from __future__ import annotations

import base64
import json

from dynamo.workload.keys import KeySpace
from dynamo.workload.operations import Get, described, get_request

_VERSION = b"\r\nDynamo-Version: "


class RegisterGet(Get):
    """A linearizable GET."""

    def __init__(self, keys: KeySpace, bucket: str) -> None:
        super().__init__(keys, bucket, r=0)
        self.name = "GET, linearizable"
        self._requests = [get_request(f"/v1/kv/{bucket}/{key}") for key in keys.keys]


class RegisterPut:
    """A PUT without a condition. `versions` is what the answers told, by position; of another PUT of these, its own."""

    def __init__(self, keys: KeySpace, bucket: str, versions: list[int] | None = None, where: str = "") -> None:
        self.name = f"PUT, linearizable{where}"
        self.keys = keys
        self.versions: list[int] = [0] * len(keys) if versions is None else versions
        self._requests = [
            f"PUT /v1/kv/{bucket}/{key} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(value)}\r\n\r\n".encode()
            + value
            for key, value in zip(keys.keys, keys.values, strict=True)
        ]

    def request(self, position: int) -> bytes:
        return self._requests[position]

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        if status != 204:
            return described(status, body)
        return _take(head, self.versions, position, "a PUT")


class RegisterCas:
    """A compare-and-set on the version, of keys that were put before: `versions` is shared with what put them."""

    name = "CAS, version"

    def __init__(self, keys: KeySpace, bucket: str, versions: list[int]) -> None:
        self.keys = keys
        self.versions = versions
        self._bodies = [f'}},"then":{{"set_b64":"{base64.b64encode(value).decode()}"}}}}' for value in keys.values]
        self._paths = [f"/v1/cas/{bucket}/{key}" for key in keys.keys]

    def request(self, position: int) -> bytes:
        body = f'{{"if":{{"version":{self.versions[position]}{self._bodies[position]}'
        return _post(self._paths[position], body)

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        if status != 200:
            return described(status, body)
        return _take(head, self.versions, position, "a compare-and-set")


class OneKeyCas:
    """The same of one key for all connections. `made` of its `answers` say that the change was applied."""

    name = "CAS, version, one key"

    def __init__(self, keys: KeySpace, bucket: str) -> None:
        self.keys = keys
        self._path = f"/v1/cas/{bucket}/contended-cas"
        self._value = base64.b64encode(keys.values[0]).decode()
        self._version = [0]
        self.answers = 0
        self.made = 0

    def request(self, position: int) -> bytes:
        body = {"if": {"version": self._version[0]}, "then": {"set_b64": self._value}}
        return _post(self._path, json.dumps(body, separators=(",", ":")))

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        if status not in (200, 412):
            return described(status, body)
        self.answers += 1
        self.made += status == 200
        latest = [0]
        missing = _take(head, latest, 0, "a compare-and-set")
        # Answers overtake each other; an older one must not take back what is known.
        self._version[0] = max(self._version[0], latest[0])
        return missing


class OneKeyAdd:
    """An addition to one key for all connections: each of them is applied."""

    name = "add, one key"

    def __init__(self, keys: KeySpace, bucket: str) -> None:
        self.keys = keys
        self._request = _post(f"/v1/cas/{bucket}/contended-sum", '{"then":{"add":1}}')

    def request(self, position: int) -> bytes:
        return self._request

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        return "" if status == 200 else described(status, body)


def _take(head: bytes, versions: list[int], position: int, what: str) -> str:
    """Keep the version that an answer tells; what is wrong if it tells none."""
    start = head.find(_VERSION)
    if start < 0:
        return f"the answer to {what} carries no version"
    start += len(_VERSION)
    end = head.find(b"\r", start)
    versions[position] = int(head[start : end if end >= 0 else len(head)])
    return ""


def _post(path: str, body: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n{body}".encode()
