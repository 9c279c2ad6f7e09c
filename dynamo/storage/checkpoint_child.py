"""The process that takes the log into LMDB: `python -m dynamo.storage.checkpoint_child STORE MAP_BYTES`.

LMDB's binding takes the interpreter for every put, and would take it from the node that is answering requests. So the
work is done in another process, which reads jobs from its standard input and answers on its standard output, one at a
time, and ends when the node does.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from dynamo.errors import DynamoError, StorageFull, StorageRefused
from dynamo.storage import judging
from dynamo.storage.applying import MARK_TREE, apply, open_trees
from dynamo.storage.checkpoint import Answer, Job, answer_of, changes_of, receive, send
from dynamo.storage.environment import engine
from dynamo.storage.segment import Folder
from dynamo.storage.set_aside import suspect


class Checkpointer:
    """LMDB and the log, as this process has them open. Raises lmdb.Error or OSError."""

    def __init__(self, store: Path, map_bytes: int) -> None:
        self._store = store
        self._folder = Folder(store)
        self._lmdb = engine(store, map_bytes, lazy=False)
        with self._lmdb.begin(write=True) as transaction:
            self._trees = open_trees(self._lmdb, transaction)
            self._tree = self._lmdb.open_db(MARK_TREE, transaction)
        self._probe = os.open(store / "data.mdb", os.O_RDONLY | os.O_CLOEXEC)

    def do(self, job: Job) -> None:
        """Raises whatever stands in the way."""
        apply(self._lmdb, self._trees, self._tree, changes_of(self._folder, job), job.before, job.after)

    def failure(self, problem: Exception) -> DynamoError:
        """What that means."""
        if isinstance(problem, judging.DAMAGE):
            suspect(self._store, str(problem))
        excuse = judging.excused(problem, self._store.parent, self._lost_writes)
        return excuse or judging.given_up(problem, self._store.parent)

    def _lost_writes(self) -> bool:
        return judging.lost_writes(self._lmdb, self._probe)


def answered(checkpointer: Checkpointer, job: Job) -> Answer:
    """Do a job; what to say of it."""
    try:
        checkpointer.do(job)
    except Exception as problem:  # noqa: BLE001 - whatever it is, the node must hear of it
        return answer_of(checkpointer.failure(problem))
    return answer_of(None)


def opened(store: Path, map_bytes: int) -> Checkpointer | Answer:
    """What does the jobs, or what to say to the first."""
    try:
        return Checkpointer(store, map_bytes)
    except Exception as problem:  # noqa: BLE001 - as above
        excuse: StorageFull | StorageRefused | None = judging.excused(problem, store.parent, lambda: False)
        return answer_of(excuse or judging.given_up(problem, store.parent))


def main(store: Path, map_bytes: int) -> None:
    """Until the node has gone."""
    # A terminal and a service manager tell the whole group to end. The node decides when this process may.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    checkpointer = opened(store, map_bytes)
    # Unbuffered: what could not be sent must not be tried again at the end.
    answers = open(sys.stdout.fileno(), "wb", buffering=0, closefd=False)  # noqa: SIM115 - as long as the process
    while (job := receive(sys.stdin.buffer, Job)) is not None:
        answer = checkpointer if isinstance(checkpointer, Answer) else answered(checkpointer, job)
        try:
            send(answers, answer)
        except BrokenPipeError:
            return  # The node was killed meanwhile. Whoever comes next finds out what was done.


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
