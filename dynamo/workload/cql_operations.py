"""What a run asks Cassandra for. As in `operations.py`: requests as bytes, and whether an answer is right.

Every answer is compared with what was written, byte by byte. A statement is prepared before; what differs from key to
key is appended to it. A conditional change names the version that the last answer about its key told, as ours does.
"""

from __future__ import annotations

from dynamo.workload.cql import ERROR, FLAGS_END, QUORUM, RESULT, VOID, bigint, error, execute, one_row, row
from dynamo.workload.keys import KeySpace

TABLE = "kv"
REGISTERS = "registers"
# The name of the keyspace is put in before they are prepared.
WRITE = "INSERT INTO {keyspace}.kv (key, value) VALUES (?, ?)"
READ = "SELECT value FROM {keyspace}.kv WHERE key = ?"
CREATE = "INSERT INTO {keyspace}.registers (key, value, version) VALUES (?, ?, 0) IF NOT EXISTS"
CHANGE = "UPDATE {keyspace}.registers SET value = ?, version = ? WHERE key = ? IF version = ?"
SETTLED = "SELECT value FROM {keyspace}.registers WHERE key = ?"
STATEMENTS = (WRITE, READ, CREATE, CHANGE, SETTLED)
ONE_KEY = b"contended"

_VOID_BODY = VOID.to_bytes(4, "big")
_APPLIED = [b"\x01"]
_WRITE_TIMEOUT, _CAS_UNKNOWN = 0x1100, 0x1700
"""Answers to a conditional change of which nobody knows whether it will take effect (9)."""


class CqlWrite:
    """A write without a condition."""

    def __init__(self, name: str, keys: KeySpace, statement: bytes, consistency: int) -> None:
        self.name = name
        self.keys = keys
        self._requests = [
            execute(statement, consistency, (key.encode(), value))
            for key, value in zip(keys.keys, keys.values, strict=True)
        ]

    def request(self, position: int) -> bytes:
        return self._requests[position]

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        return "" if status == RESULT and body == _VOID_BODY else described(status, body)


class CqlRead:
    """A read of one key, at any consistency; with SERIAL it is linearizable."""

    def __init__(self, name: str, keys: KeySpace, statement: bytes, consistency: int) -> None:
        self.name = name
        self.keys = keys
        self._requests = [execute(statement, consistency, (key.encode(),)) for key in keys.keys]
        self._rows = [one_row([value]) for value in keys.values]

    def request(self, position: int) -> bytes:
        return self._requests[position]

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        if status == RESULT and body[FLAGS_END:] == self._rows[position]:
            return ""
        return described(status, body) if status != RESULT else "SELECT gave another value than was written"


class CqlCreate:
    """The first version of every key, under the condition that there is none: what a conditional change begins with."""

    name = "INSERT IF NOT EXISTS"

    def __init__(self, keys: KeySpace, statement: bytes) -> None:
        self.keys = keys
        self._requests = [
            execute(statement, QUORUM, (key.encode(), value)) for key, value in zip(keys.keys, keys.values, strict=True)
        ]

    def request(self, position: int) -> bytes:
        return self._requests[position]

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        return "" if status == RESULT and row(body) == _APPLIED else described(status, body)


class CqlCas:
    """A compare-and-set on the version, of keys that were created before: each has version 0 at first."""

    name = "UPDATE IF version"

    def __init__(self, keys: KeySpace, statement: bytes) -> None:
        self.keys = keys
        self._statement = statement
        self._names = [key.encode() for key in keys.keys]
        self._versions = [0] * len(keys)

    def request(self, position: int) -> bytes:
        version = self._versions[position]
        values = (self.keys.values[position], bigint(version + 1), self._names[position], bigint(version))
        return execute(self._statement, QUORUM, values)

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        if status != RESULT:
            return described(status, body)
        told = row(body)
        if told != _APPLIED:
            # A fault all the same, but one that does not make all that follow of this key faults as well.
            self._versions[position] = int.from_bytes(told[-1], "big")
            return described(status, body)
        self._versions[position] += 1
        return ""


class CqlOneKeyCas:
    """The same of one key for all connections. `made` of its `answers` say that the change was applied.

    `unknown` of them timed out in the store: those may be applied or not, and are no fault.
    """

    name = "UPDATE IF version, one key"

    def __init__(self, keys: KeySpace, create: bytes, change: bytes) -> None:
        self.keys = keys
        self.first = execute(create, QUORUM, (ONE_KEY, keys.values[0]))
        """Creates the key."""
        self._change = change
        self._version = 0
        self._named = [0] * len(keys)
        """By position: the version in the request that is under way."""
        self.answers = 0
        self.made = 0
        self.unknown = 0

    def request(self, position: int) -> bytes:
        version = self._named[position] = self._version
        return execute(self._change, QUORUM, (self.keys.values[0], bigint(version + 1), ONE_KEY, bigint(version)))

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        self.answers += 1
        if status == ERROR and error(body)[0] in (_WRITE_TIMEOUT, _CAS_UNKNOWN):
            self.unknown += 1
            return ""
        if status != RESULT:
            return described(status, body)
        told = row(body)
        if told == _APPLIED:
            # Such an answer says no version: it is the one after that which was named.
            self.made += 1
            self._version = max(self._version, self._named[position] + 1)
            return ""
        # Answers overtake each other; an older one must not take back what is known.
        self._version = max(self._version, int.from_bytes(told[-1], "big"))
        return ""


def described(status: int, body: bytes) -> str:
    """An answer that should not have come."""
    if status == ERROR:
        return "error {:#06x}: {}".format(*error(body))
    return f"opcode {status}: {body[:100]!r}"
