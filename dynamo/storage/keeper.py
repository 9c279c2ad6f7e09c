"""The thread that keeps the log short: it has the child take over what is due, and makes and removes segments.

None of it is urgent, all of it can take long, so it is done one after the other, beside the loop and beside the writer.

The child is started when there is first something to do. One that ends in the middle of a job, killed or by a signal,
is replaced, and the job repeated: see `applying.py` for why that is harmless. One that has failed is replaced before
the next job, too, and then begins with files of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue

from dynamo.errors import DynamoError, StorageFull, StorageRefused
from dynamo.storage.checkpoint import Answer, Job, changes_of, failure_of, receive, send
from dynamo.storage.environment import Environment
from dynamo.storage.log import Log
from dynamo.storage.segment import SEGMENT_BYTES
from dynamo.storage.set_aside import suspect
from dynamo.telemetry import logs

journal = logs.Log("storage")

ATTEMPTS = 3
"""How often a job is given to a new child before the disk is held to be the reason."""

Outcome = Future[DynamoError | None]


class Child:
    """A running `checkpoint_child`. Raises OSError if it cannot be started."""

    def __init__(self, store: Path, map_bytes: int) -> None:
        # It must find the very same program, and nothing in whatever folder the node was started from.
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, this program
            [sys.executable, "-P", "-m", "dynamo.storage.checkpoint_child", str(store), str(map_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        self.pid = self._process.pid

    def ask(self, job: Job) -> Answer | None:
        """Have a job done; None if the child has gone."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            send(self._process.stdin, job)
            return receive(self._process.stdout, Answer)
        except OSError:
            return None

    def end(self) -> int:
        """Let it go; its exit code, negative if a signal ended it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.close()
        except OSError as problem:
            journal.debug("the checkpoint process had gone", problem=str(problem))
        self._process.stdout.close()
        return self._process.wait()


class Keeper:
    """`stop` ends the thread and the child."""

    def __init__(self, environment: Environment, log: Log) -> None:
        self._environment = environment
        self._log = log
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._child: Child | None = None
        log.want_spare = lambda: self._queue.put(self._make_spare)
        self._thread = threading.Thread(target=self._run, name="store-keeper", daemon=True)
        self._thread.start()

    @property
    def child(self) -> int | None:
        """Process id of the child, if there is one."""
        return None if self._child is None else self._child.pid

    def checkpoint(self, job: Job, done: Callable[[], object]) -> Outcome:
        """Have the child do a job. `done` is called in the keeper's thread when the outcome is there."""
        return self._submit(lambda: self._with_room(lambda: self._by_child(job)), done)

    def finish(self, job: Job) -> Outcome:
        """Do a job in this process: the node is about to end, and nobody is answered meanwhile."""
        return self._submit(lambda: self._with_room(lambda: self._here(job)), lambda: None)

    def remove(self, names: list[str]) -> None:
        """Take segments away that are not used again."""
        if names:
            self._queue.put(lambda: self._log.folder.remove(names))

    def stop(self) -> None:
        """Return when everything that was asked for is done."""
        self._queue.put(None)
        self._thread.join()

    def _submit(self, work: Callable[[], DynamoError | None], done: Callable[[], object]) -> Outcome:
        outcome: Outcome = Future()

        def do() -> None:
            try:
                result = work()
            except Exception as problem:  # noqa: BLE001 - a bug here must not leave the writers waiting for ever
                result = StorageRefused(f"the log cannot be taken over: {problem!r}")
            outcome.set_result(result)
            done()

        self._queue.put(do)
        return outcome

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            work()
        self._let_go()

    def _let_go(self) -> int:
        child, self._child = self._child, None
        return 0 if child is None else child.end()

    def _with_room(self, work: Callable[[], DynamoError | None]) -> DynamoError | None:
        """Do it; and on a full disk once more, without the segments that wait to be used."""
        failure = work()
        spares = self._spares() if isinstance(failure, StorageFull) else []
        if not spares:
            return failure
        self._log.folder.remove(spares)
        return work()

    def _spares(self) -> list[str]:
        names = []
        while self._log.spares:
            try:
                names.append(self._log.spares.pop())
            except IndexError:  # The writer took the last one.
                break
        return names

    def _by_child(self, job: Job) -> DynamoError | None:
        ends = []
        for _ in range(ATTEMPTS):
            try:
                self._child = self._child or Child(self._environment.directory.store, self._environment.map_bytes)
            except OSError as problem:
                journal.warning("the checkpoint process cannot be started", problem=str(problem))
                return self._here(job)
            answer = self._child.ask(job)
            if answer is not None:
                failure = failure_of(answer)
                if failure is not None:
                    self._let_go()
                return failure
            ends.append(self._let_go())
            journal.warning("the checkpoint process ended in the middle of its work", code=ends[-1])
        # As a page does that cannot be read from the device.
        suspect(self._environment.directory.store, f"the checkpoint process ended with {ends}")
        return StorageRefused(f"the process that takes the log into LMDB ended {ATTEMPTS} times, with {ends}")

    def _here(self, job: Job) -> DynamoError | None:
        try:
            self._environment.advance(changes_of(self._log.folder, job), job.before, job.after)
        except Exception as problem:  # noqa: BLE001 - whatever it is, the waiters must hear of it
            return self._environment.excused(problem) or self._environment.given_up(problem)
        return None

    def _make_spare(self) -> None:
        try:
            self._log.spares.append(self._log.folder.make(b"", SEGMENT_BYTES))
        except OSError as problem:
            journal.debug("no segment could be made ahead", problem=str(problem))
