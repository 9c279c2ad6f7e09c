"""A process whose files cannot grow beyond a limit: the nearest thing to a full disk that needs no privileges.

    python -m tests.unit.storage.full_disk_child DIRECTORY ENGINE

The system cuts the first write that crosses the limit short, and refuses the next one, as a full disk does. Prints what
happened as one line of JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from dynamo.layout.keyspaces import Keyspace
from tests.contract.lmdb_rig import LmdbRig
from tests.contract.log_rig import KernelRig, LogRig
from tests.contract.storage_rig import PATIENCE_S, wait, write

LIMIT_BYTES = 2**20
VALUE = b"x" * 30_000


def limit(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def attempt(rig: LmdbRig, number: int) -> str:
    outcome = write(rig, (Keyspace.RECORDS, b"%06d" % number, VALUE))
    wait(rig, outcome)
    return type(outcome.error).__name__


def meet_the_full_disk(rig: LogRig) -> None:
    """Return when the checkpoint that the first refusal asks for has failed: it is begun by another thread."""
    deadline = time.monotonic() + PATIENCE_S
    while rig.storage._full is None and time.monotonic() < deadline:
        rig.loop.call_later(0.01, rig.loop.stop)
        rig.loop.run_forever()


def healed(rig: LmdbRig, number: int) -> str:
    """With a log, what it holds is taken over first, which is tried again each second."""
    deadline = time.monotonic() + PATIENCE_S
    while (refusal := attempt(rig, number)) != "NoneType" and time.monotonic() < deadline:
        rig.loop.call_later(0.1, rig.loop.stop)
        rig.loop.run_forever()
    return refusal


def main(directory: Path, engine: str) -> None:
    rig = {"lmdb": LmdbRig, "log": LogRig, "kernel": KernelRig}[engine](directory)
    limit(LIMIT_BYTES)
    stored = 0
    while (refusal := attempt(rig, stored)) == "NoneType":
        stored += 1
    again = [attempt(rig, stored) for _ in range(3)]
    if isinstance(rig, LogRig):
        meet_the_full_disk(rig)
    readable = len(rig.storage.scan(Keyspace.RECORDS, b"", None, 10_000))
    limit(resource.RLIM_INFINITY)
    later = attempt(rig, stored) if engine == "lmdb" else healed(rig, stored)
    rig.reopen()
    kept = len(rig.storage.scan(Keyspace.RECORDS, b"", None, 10_000))
    fatal = [str(error) for error in rig.fatal]
    rig.close()
    seen = {"stored": stored, "refusal": refusal, "again": again, "readable": readable, "later": later, "kept": kept}
    sys.stdout.write(json.dumps({**seen, "fatal": fatal}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
