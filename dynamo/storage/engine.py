"""The engine `lmdb`: every group is a transaction of LMDB, synced by the engine itself.

Reads run on the loop, in one LMDB snapshot that is replaced when a group is reported, before the next is handed over.
So it keeps no page from reuse that the writer could reuse, and shows no header that is written but not synced.

In `async` mode the file stays consistent, since pages are still synced before the header that names them. The price of
that consistency: it still waits for the pages, it saves one of two waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dynamo.errors import DynamoError
from dynamo.layout.keyspaces import Keyspace
from dynamo.ports import StorageSizes
from dynamo.storage.environment import Environment
from dynamo.storage.group import Group
from dynamo.storage.group_commit import GroupCommit


class LmdbStorage(GroupCommit):
    """`ports.Storage`; see GroupCommit for the arguments."""

    def __init__(
        self,
        environment: Environment,
        loop: asyncio.AbstractEventLoop,
        on_fatal: Callable[[DynamoError], None],
        on_commit: Callable[[float, int], None] | None = None,
    ) -> None:
        self._environment = environment
        # A transaction that needs more pages than the reserve has could leave none for the next one.
        super().__init__(environment, loop, on_fatal, on_commit, environment.reserve_bytes // 4)

    def read(self, space: Keyspace, key: bytes) -> bytes | None:
        return self._environment.get(space, key)

    def scan(self, space: Keyspace, start: bytes, end: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        return self._environment.scan(space, start, end, limit)

    def sizes(self) -> StorageSizes:
        """As of the last commit."""
        return self._environment.sizes

    def _show(self, group: Group) -> None:
        self._environment.refresh()

    def settle(self) -> int:
        return self._environment.version

    def _finish(self) -> None:
        self._environment.close()
