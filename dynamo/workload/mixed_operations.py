"""A mix of all that a store is asked for: reads, writes and deletes of plain keys, changes of linearizable ones.

Which it is, is drawn for each request. Every answer is judged by what the key must hold: a value that was put, or
nothing after a delete. After an answer that leaves that open (a time-out may still take effect) both are right, until
the next write has told. One request of a key is under way at a time, which the walk over the keys sees to.
"""

from __future__ import annotations

import base64
import random
from itertools import accumulate

from dynamo.workload.keys import KeySpace
from dynamo.workload.operations import described, get_request

WEIGHTS = {"get": 60, "put": 25, "delete": 5, "cas": 10}
GET, PUT, DELETE, CAS = range(4)
THERE, GONE, OPEN = range(3)
"""What is known of a plain key."""
_VERSION = b"\r\nDynamo-Version: "


class Mixed:
    """GET R=2, PUT W=2 and DELETE W=2 in `bucket`, compare-and-set on the version in `registers`."""

    def __init__(self, keys: KeySpace, bucket: str, registers: str, seed: int, timeout_ms: int) -> None:
        self.name = "mixed"
        self.keys = keys
        end = f"timeout={timeout_ms}ms"
        targets = [f"/v1/kv/{bucket}/{key}?" for key in keys.keys]
        self._gets = [get_request(f"{target}r=2&{end}") for target in targets]
        self._puts = [_with_body("PUT", f"{target}w=2&{end}", value) for target, value in self._pairs(targets)]
        self._deletes = [_with_body("DELETE", f"{target}w=2&{end}", b"") for target in targets]
        self._registers = [f"/v1/cas/{registers}/{key}?{end}" for key in keys.keys]
        self._then = [f'}},"then":{{"set_b64":"{base64.b64encode(value).decode()}"}}}}' for value in keys.values]
        self._chance = random.Random(seed)
        self._kinds = list(range(len(WEIGHTS)))
        self._weights = list(accumulate(WEIGHTS.values()))
        self._asked = bytearray(len(keys))
        self._states = bytearray([OPEN]) * len(keys)
        self._versions = [-1] * len(keys)
        """Of each register, as the last answer told; negative: not known."""

    def _pairs(self, targets: list[str]) -> zip[tuple[str, bytes]]:
        return zip(targets, self.keys.values, strict=True)

    def request(self, position: int) -> bytes:
        (kind,) = self._chance.choices(self._kinds, cum_weights=self._weights)
        self._asked[position] = kind
        if kind == GET:
            return self._gets[position]
        if kind == PUT:
            return self._puts[position]
        if kind == DELETE:
            return self._deletes[position]
        # Of a register that is not known any version is asked for: the refusal tells the right one.
        body = f'{{"if":{{"version":{max(0, self._versions[position])}{self._then[position]}'
        return _with_body("POST", self._registers[position], body.encode(), "\r\nContent-Type: application/json")

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        kind = self._asked[position]
        if kind == CAS:
            return self._changed(position, status, head, body)
        if kind == GET:
            return self._read(position, status, body)
        if status == 204:
            self._states[position] = THERE if kind == PUT else GONE
            return ""
        if kind == DELETE and status == 404 and self._states[position] != THERE:
            return ""
        self._states[position] = OPEN
        return described(status, body)

    def _read(self, position: int, status: int, body: bytes) -> str:
        state = self._states[position]
        if status == 200 and state != GONE:
            return "" if body == self.keys.values[position] else "GET gave another value than was put"
        if status == 404 and state != THERE:
            return ""
        return described(status, body)

    def _changed(self, position: int, status: int, head: bytes, body: bytes) -> str:
        known = self._versions[position] >= 0
        start = head.find(_VERSION)
        if start >= 0 and (status == 200 or (status == 412 and not known)):
            end = head.find(b"\r", start + len(_VERSION))
            self._versions[position] = int(head[start + len(_VERSION) : end if end >= 0 else len(head)])
            return ""
        self._versions[position] = -1
        return described(status, body)


def _with_body(verb: str, target: str, body: bytes, more: str = "") -> bytes:
    head = f"{verb} {target} HTTP/1.1\r\nHost: 127.0.0.1{more}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
