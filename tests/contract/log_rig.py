"""The contract's rig for the engine `log`: as that for LMDB, with a log in front."""

from __future__ import annotations

import os

from dynamo.storage import recovery
from dynamo.storage.directory import DataDirectory
from dynamo.storage.environment import Environment
from dynamo.storage.log_engine import LogStorage
from dynamo.storage.segment import Folder
from tests.contract.lmdb_rig import LmdbRig


class LogRig(LmdbRig):
    """See StorageRig. What fills up is the disk that the log lies on."""

    storage: LogStorage
    kernel_syncs = False

    def open(self) -> None:
        self.environment = Environment(DataDirectory(self.path), self.map_bytes, lazy=False)
        folder = Folder(self.environment.directory.store)
        try:
            mark = recovery.replay(self.environment, folder, recovery.look(self.environment, folder))
            self.log = recovery.begin(self.environment, folder, mark, lazy=self.lazy)
        except BaseException:
            self.environment.close()
            raise
        self.sink = self.log
        self._commit = self.log.commit
        self.storage = LogStorage(
            self.environment,
            self.log,
            self.loop,
            self.fatal.append,
            lambda seconds, batches: self.commits.append((seconds, batches)),
            kernel_syncs=self.kernel_syncs and not self.lazy,
        )

    def error(self, code: int) -> Exception:
        return OSError(code, os.strerror(code))

    def lose_writes(self) -> None:
        self.log.lost_writes = lambda: True


class KernelRig(LogRig):
    """As nodes have it: the loop writes, the kernel syncs."""

    kernel_syncs = True

    def open(self) -> None:
        super().open()
        begin = self.log.begin
        # What a test puts in the place of `commit` is met by every group, as if none could do without the thread.
        self.log.begin = lambda changes: begin(changes) if self.log.commit == self._commit else None
