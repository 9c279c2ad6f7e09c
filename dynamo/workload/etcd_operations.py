"""Conditional changes of etcd, through its JSON gateway: a transaction that compares the key's version and puts.

The counterpart of a compare-and-set on the version. A key that there is not has version 0, so the first such change
creates it. Where the comparison fails, the transaction reads the key: its answer tells the version to go on from.
"""

from __future__ import annotations

import base64
import json
import re

from dynamo.workload.keys import KeySpace
from dynamo.workload.operations import described

_APPLIED = b'"succeeded":true'
_VERSION = re.compile(rb'"version":"(\d+)"')
ONE_KEY = "contended"


class EtcdCas:
    """A compare-and-set on the version, each key's own. Nobody else may write these keys: `prefix` sets them apart."""

    name = "txn, version"

    def __init__(self, keys: KeySpace, prefix: str) -> None:
        self.keys = keys
        self._versions = [0] * len(keys)
        self._transactions = [
            _Transaction(prefix + key, value) for key, value in zip(keys.keys, keys.values, strict=True)
        ]

    def request(self, position: int) -> bytes:
        return self._transactions[position].request(self._versions[position])

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        if status != 200 or _APPLIED not in body:
            # A fault all the same, but one that does not make all that follow of this key faults as well.
            if found := _VERSION.search(body):
                self._versions[position] = int(found[1])
            return described(status, body)
        self._versions[position] += 1
        return ""


class EtcdOneKeyCas:
    """The same of one key for all connections. `made` of its `answers` say that the change was applied."""

    name = "txn, version, one key"

    def __init__(self, keys: KeySpace) -> None:
        self.keys = keys
        self._transaction = _Transaction(ONE_KEY, keys.values[0])
        self._version = 0
        self._named = [0] * len(keys)
        """By position: the version in the request that is under way."""
        self.answers = 0
        self.made = 0

    def request(self, position: int) -> bytes:
        version = self._named[position] = self._version
        return self._transaction.request(version)

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        if status != 200:
            return described(status, body)
        self.answers += 1
        if _APPLIED in body:
            # Such an answer says no version: it is the one after that which was named.
            self.made += 1
            latest = self._named[position] + 1
        else:
            found = _VERSION.search(body)
            if found is None:
                return "a transaction that was refused does not tell the key's version"
            latest = int(found[1])
        # Answers overtake each other; an older one must not take back what is known.
        self._version = max(self._version, latest)
        return ""


class _Transaction:
    """Everything of the request but the version and the length."""

    def __init__(self, key: str, value: bytes) -> None:
        name, content = _base64(key.encode()), _base64(value)
        compare = {"key": name, "target": "VERSION", "result": "EQUAL"}
        self._begin = f'{{"compare":[{_json(compare)[:-1]},"version":"'
        put, read = {"requestPut": {"key": name, "value": content}}, {"requestRange": {"key": name}}
        self._end = f'"}}],"success":[{_json(put)}],"failure":[{_json(read)}]}}'

    def request(self, version: int) -> bytes:
        body = f"{self._begin}{version}{self._end}"
        return f"POST /v3/kv/txn HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _json(content: object) -> str:
    return json.dumps(content, separators=(",", ":"))
