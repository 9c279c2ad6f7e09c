"""Requests of the generator as bytes: what can be joined beforehand is, the rest is a few concatenations.

Keys are numbers. They are written out so that those of a scan lie together: with scans in the mix a hundred keys form
a group, whose name ends with a slash, which the ring keeps on the same replicas and in order. Without scans every key
goes its own way. Keys of counters and of probes have names and numbers of their own.
"""

from __future__ import annotations

import base64

from dynamo.load.levels import query
from dynamo.load.plan import Plan

GROUP = 100
"""Keys that lie together where there are scans."""
COUNTERS = 2**30
"""From here on numbers are those of keys that `add` counts in."""
PROBES = 2**31
"""From here on numbers are those of keys of the staleness probe."""
_TAIL = b" HTTP/1.1\r\nHost: dynamo\r\n\r\n"


class Requests:
    """Makes the requests of one plan."""

    def __init__(self, plan: Plan) -> None:
        self._prefix = plan.prefix
        self._grouped = plan.groups_keys
        self._path = f"/v1/kv/{plan.bucket}/".encode()
        self._cas = f"POST /v1/cas/{plan.bucket}/".encode()
        self._list = f"/v1/kv/{plan.bucket}?values=true&".encode()
        timeout = f"timeout={max(1, round(plan.timeout_s * 1000))}ms"
        linearizable = plan.linearizable
        reads = [query(each.level, of_write=False, linearizable_bucket=linearizable) for each in plan.reads]
        writes = [query(each.level, of_write=True, linearizable_bucket=linearizable) for each in plan.writes]
        self._read_tails = [f"?{each}&{timeout}".encode() + _TAIL for each in reads]
        self._scan_tails = [f"&{each}&{timeout}".encode() + _TAIL for each in reads]
        self._write_tails = [
            f"?{each}{'&' if each else ''}{timeout} HTTP/1.1\r\nHost: dynamo\r\nContent-Length: ".encode()
            for each in writes
        ]
        self._cas_tail = (
            f"?{timeout} HTTP/1.1\r\nHost: dynamo\r\nContent-Type: application/json\r\nContent-Length: ".encode()
        )

    def key(self, key: int) -> str:
        """The name of a key."""
        if key >= PROBES:
            return f"{self._prefix}probe-{key - PROBES}"
        if key >= COUNTERS:
            return f"{self._prefix}sum-{key - COUNTERS}"
        if self._grouped:
            return f"{self._prefix}{key // GROUP:06d}/{key % GROUP:02d}"
        return f"{self._prefix}{key:08d}"

    def get(self, key: int, level: int) -> bytes:
        return b"GET " + self._path + self.key(key).encode() + self._read_tails[level]

    def put(self, key: int, level: int, value: bytes, context: bytes = b"") -> bytes:
        """`context`: the header field that the last answer about this key carried, from its line end on; or nothing."""
        head = b"PUT " + self._path + self.key(key).encode() + self._write_tails[level]
        return head + str(len(value)).encode() + context + b"\r\n\r\n" + value

    def scan(self, key: int, level: int, count: int) -> bytes:
        """A page of `count` keys from this one on, within its group."""
        name = self.key(key)
        where = f"prefix={name.partition('/')[0]}/&start={name}&limit={count}".encode()
        return b"GET " + self._list + where + self._scan_tails[level]

    def cas(self, key: int, version: int, value: bytes) -> bytes:
        """Set a value where the version is still that one."""
        encoded = base64.b64encode(value).decode()
        return self._post(key, f'{{"if":{{"version":{version}}},"then":{{"set_b64":"{encoded}"}}}}'.encode())

    def add(self, key: int) -> bytes:
        """Add 1."""
        return self._post(key, b'{"then":{"add":1}}')

    def _post(self, key: int, body: bytes) -> bytes:
        name = self.key(key).encode()
        return self._cas + name + self._cas_tail + str(len(body)).encode() + b"\r\n\r\n" + body
