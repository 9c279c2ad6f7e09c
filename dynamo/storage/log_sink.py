"""Where a group of the engine `log` is written: to the log, or past it."""

from __future__ import annotations

from dynamo.errors import StorageFull, StorageRefused
from dynamo.storage.environment import Environment
from dynamo.storage.group import Changes
from dynamo.storage.log import Log


class LogSink:
    """`writer.Sink`. The environment is not lazy: a group that goes past the log is durable at once, in any mode."""

    def __init__(self, log: Log, environment: Environment) -> None:
        assert not environment.lazy, "under a log LMDB is never behind itself"
        self.lazy = log.lazy
        self.direct = False
        """Whether the next group goes past the log. Set while the writer has none, and LMDB all that came before."""
        self._log = log
        self._environment = environment

    def commit(self, changes: Changes) -> None:
        """See Sink."""
        if self.direct:
            self._environment.commit(changes)
        else:
            self._log.commit(changes)

    def begin(self, changes: Changes) -> int | None:
        """See SplitSink."""
        return None if self.direct else self._log.begin(changes)

    def ended(self) -> None:
        """See SplitSink."""
        self._log.ended()

    def sync(self) -> None:
        """See Sink."""
        self._log.sync()

    def excused(self, problem: Exception) -> StorageFull | None:
        """See Sink."""
        return self._environment.excused(problem) if self.direct else self._log.excused(problem)

    def given_up(self, problem: Exception) -> StorageRefused:
        """See Sink."""
        return self._environment.given_up(problem) if self.direct else self._log.given_up(problem)
