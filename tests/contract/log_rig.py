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

    def open(self) -> None:
        self.environment = Environment(DataDirectory(self.path), self.map_bytes, lazy=False)
        folder = Folder(self.environment.directory.store)
        try:
            mark = recovery.replay(self.environment, recovery.look(self.environment, folder))
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
        )

    def error(self, code: int) -> Exception:
        return OSError(code, os.strerror(code))

    def lose_writes(self) -> None:
        self.log.lost_writes = lambda: True
