"""Reads and writes of keys that hold a number of concurrent values, and go on holding as many.

A PUT supersedes what its context has seen. Here each PUT carries the context of who had read the key when it was
written `count` writes ago: so it replaces the oldest value, and leaves those that were written since. That is what many
writers come to that each read, think for a while, and write.
"""

from __future__ import annotations

from collections import deque

from dynamo.ring.token import key_hash
from dynamo.versioning.context import Context, from_token, to_token
from dynamo.workload.keys import KeySpace
from dynamo.workload.operations import Get, Put, described

_FIELD = b"\r\nDynamo-Context: "
_MANY = 300


class SiblingPut(Put):
    """PUT that keeps `count` values of each key: the first `count` add one each, later ones replace the oldest.

    What was learnt by filling is gone on from: `after`.
    """

    def __init__(self, keys: KeySpace, bucket: str, w: int, count: int, after: SiblingPut | None = None) -> None:
        super().__init__(keys, bucket, w)
        self.count = count
        self._hashes = [key_hash(bucket, key.encode()) for key in keys.keys]
        self.known: list[deque[bytes]] = [deque() for _ in keys.keys] if after is None else after.known
        """Of each value that a key has, what the answer to its PUT said; oldest first."""

    def request(self, position: int) -> bytes:
        known = self.known[position]
        full = len(known) == self.count
        self.contexts[position] = read_since(known[0], self._hashes[position]) if full else b""
        return super().request(position)

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        fault = super().fault(position, status, head, body)
        if not fault:
            known = self.known[position]
            if len(known) == self.count:
                known.popleft()
            known.append(self.contexts[position])
        return fault


def read_since(field: bytes, hashed: int) -> bytes:
    """The header field of who has read a key after a PUT, from what the answer to the PUT said.

    That answer itself has shown nothing, so its context would not supersede what stands beside the new value.
    """
    said = from_token(field.removeprefix(_FIELD).decode(), hashed)
    return _FIELD + to_token(Context(said.clock, said.hybrid), hashed).encode()


class SiblingGet(Get):
    """GET of a key with `count` values: all of them have to come."""

    def __init__(self, keys: KeySpace, bucket: str, r: int, count: int) -> None:
        super().__init__(keys, bucket, r)
        self.count = count

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        if self.count == 1:
            return super().fault(position, status, head, body)
        if status != _MANY:
            return described(status, body)
        found = body.count(b'"value_b64"')
        return "" if found == self.count else f"GET gave {found} values, and not {self.count}"
