"""What a run asks ZooKeeper for. As in `operations.py`: requests as bytes, and whether an answer is right.

Every answer is compared with what was written, byte by byte. Where two requests belong together, they are sent at once:
a node does the requests of a session in order.
"""

from __future__ import annotations

from dynamo.workload import jute
from dynamo.workload.jute import BAD_VERSION, LENGTH_AT, MORE, OK, STAT_BYTES, VERSION_AT
from dynamo.workload.keys import KeySpace

PLAIN, REGISTERS = "/kv", "/cas"
"""Nodes above those of the keys: written and read, and changed under conditions."""
ONE_KEY = "/contended"


def paths(keys: KeySpace, parent: str) -> list[str]:
    """The node of each key."""
    return [f"{parent}/{key}" for key in keys.keys]


class ZooKeeperCreate:
    """The first version of every key: what all other requests need."""

    name = "create"

    def __init__(self, keys: KeySpace, parent: str) -> None:
        self.keys = keys
        names = paths(keys, parent)
        self._requests = [jute.create(path, value) for path, value in zip(names, keys.values, strict=True)]
        self._answers = [jute.text(path) for path in names]

    def request(self, position: int) -> bytes:
        return self._requests[position]

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        return "" if status == OK and body == self._answers[position] else described(status, body)


class ZooKeeperSet:
    """A write without a condition."""

    name = "setData"

    def __init__(self, keys: KeySpace, parent: str) -> None:
        self.keys = keys
        self._requests = [
            jute.set_data(path, value) for path, value in zip(paths(keys, parent), keys.values, strict=True)
        ]

    def request(self, position: int) -> bytes:
        return self._requests[position]

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        return "" if status == OK and _is_stat_of(body, self.keys.value_bytes) else described(status, body)


class ZooKeeperGet:
    """A read of the node that is asked; `synced`: after it has caught up with the leader."""

    def __init__(self, keys: KeySpace, parent: str, *, synced: bool) -> None:
        self.name = "sync + getData" if synced else "getData"
        self.keys = keys
        names = paths(keys, parent)
        self._requests = [(jute.sync(path, MORE) if synced else b"") + jute.get_data(path) for path in names]
        self._answers = [
            (jute.text(path) if synced else b"") + jute.frame(value)
            for path, value in zip(names, keys.values, strict=True)
        ]

    def request(self, position: int) -> bytes:
        return self._requests[position]

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        if status == OK and body[:-STAT_BYTES] == self._answers[position]:
            return ""
        return described(status, body) if status != OK else "getData gave another value than was set"


class ZooKeeperCas:
    """A compare-and-set on the version, of keys that were created before: each has version 0 at first."""

    name = "setData, version"

    def __init__(self, keys: KeySpace, parent: str) -> None:
        self.keys = keys
        self._paths = paths(keys, parent)
        self._versions = [0] * len(keys)

    def request(self, position: int) -> bytes:
        return jute.set_data(self._paths[position], self.keys.values[position], self._versions[position])

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        named = self._versions[position]
        if status != OK or not _is_stat_of(body, self.keys.value_bytes):
            # A fault all the same, but one that does not make all that follow of this key faults as well. A refusal
            # does not tell the version: the next change names none, and its answer does.
            self._versions[position] = jute.ANY_VERSION
            return described(status, body)
        self._versions[position] = made = jute.number_at(body, VERSION_AT)
        if named not in (jute.ANY_VERSION, made - 1):
            return f"a change of version {named} made version {made}"
        return ""


class ZooKeeperOneKeyCas:
    """The same of one key for all connections. `made` of its `answers` say that the change was applied.

    A refusal does not tell the version that there is, so each change is sent together with a read: one answer says
    what a transaction of etcd says.
    """

    name = "setData, version + getData, one key"

    def __init__(self, keys: KeySpace) -> None:
        self.keys = keys
        self.first = jute.create(ONE_KEY, keys.values[0])
        """Creates the key."""
        self._read = jute.get_data(ONE_KEY)
        self._value = jute.frame(keys.values[0])
        self._version = 0
        self._named = [0] * len(keys)
        """By position: the version in the request that is under way."""
        self.answers = 0
        self.made = 0

    def request(self, position: int) -> bytes:
        version = self._named[position] = self._version
        return jute.set_data(ONE_KEY, self.keys.values[0], version, MORE) + self._read

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        self.answers += 1
        if status not in (OK, BAD_VERSION):
            return described(status, body)
        changed, read = (body[:STAT_BYTES], body[STAT_BYTES:]) if status == OK else (b"", body)
        if read[:-STAT_BYTES] != self._value:
            return "getData gave another value than was set" if read else described(status, body)
        if status == OK:
            self.made += 1
            made = jute.number_at(changed, VERSION_AT)
            if made != self._named[position] + 1:
                return f"a change of version {self._named[position]} made version {made}"
        # Answers overtake each other; an older one must not take back what is known.
        self._version = max(self._version, jute.number_at(read, len(self._value) + VERSION_AT))
        return ""


def described(status: int, body: bytes) -> str:
    """An answer that should not have come."""
    return jute.described(status) if status != OK else f"an answer of {len(body)} bytes: {body[:100]!r}"


def _is_stat_of(body: bytes, value_bytes: int) -> bool:
    return len(body) == STAT_BYTES and jute.number_at(body, LENGTH_AT) == value_bytes
