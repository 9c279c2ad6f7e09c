"""Ways to hold the writer before a commit, or to let commits fail."""

from __future__ import annotations

import threading

from dynamo.layout.keyspaces import Keyspace
from tests.contract.lmdb_rig import LmdbRig
from tests.contract.storage_rig import Outcome, step, write

RECORDS, DIGESTS = Keyspace.RECORDS, Keyspace.DIGESTS


class Gate:
    """Holds the writer before each commit until it is opened; counts what passes."""

    def __init__(self, rig: LmdbRig) -> None:
        self._open = threading.Event()
        self._commit = rig.sink.commit
        self.reached = threading.Event()
        self.passed: list[int] = []
        self.failure: Exception | None = None
        rig.sink.commit = self.commit

    def commit(self, changes) -> None:
        self.reached.set()
        assert self._open.wait(20)
        if self.failure is not None:
            raise self.failure
        self._commit(changes)
        self.passed.append(sum(map(len, changes.values())))

    def open(self) -> None:
        self._open.set()


def in_flight(rig: LmdbRig, gate: Gate, key: bytes = b"first") -> Outcome:
    """A batch that the writer has taken and cannot finish yet."""
    outcome = write(rig, (RECORDS, key, b"v"))
    step(rig)
    assert gate.reached.wait(20)
    return outcome


def failing(rig: LmdbRig, code: int) -> None:
    def commit(changes) -> None:
        raise rig.error(code)

    rig.sink.commit = commit
