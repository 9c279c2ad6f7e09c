"""What a start does with a damaged store: refuse, or move it out of the way and begin empty (`storage.on_damage`).

Moving keeps every byte: the folder gets a name with the time, beside the new one, and nobody looks at it again but a
person. The node then takes a new incarnation, as after any loss, and is filled by the others. Only what is known to be
damage is moved: a disk that is full, read-only or not readable at all holds a store that may be sound.

    store/                     the LMDB environment, and in store/log/ the log in front of it
    store/suspect              a page could not be read while the node ran: the next start reads all of them
    store.damaged-YYYY...Z/    one that was set aside
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from dynamo.storage.directory import DataDirectory, sync_directory
from dynamo.storage.header import Damaged, walk
from dynamo.telemetry.logs import Log

log = Log("storage")

REFUSE = "refuse"
SET_ASIDE = "set-aside"
SUSPECT = "suspect"
Opened = TypeVar("Opened")


def opened(directory: DataDirectory, on_damage: str, attempt: Callable[[], Opened]) -> Opened:
    """What `attempt` opens. Raises Damaged, unless a damaged store is to be set aside: then the attempt is repeated."""
    try:
        _check_suspect(directory)
        return attempt()
    except Damaged as damage:
        if on_damage != SET_ASIDE:
            raise
        moved = _set_aside(directory)
        log.error("a damaged store was set aside, and this node begins empty", problem=damage.reason, moved_to=moved)  # noqa: TRY400  # an event with its cause, no bug with a traceback
    return attempt()


def suspect(store: Path, reason: str) -> None:
    """Have the next start read every page. Best effort: the disk is no friend any more."""
    try:
        (store / SUSPECT).write_text(reason + "\n", encoding="utf-8")
    except OSError as problem:
        log.debug("the next start will not know that a page is damaged", problem=str(problem))


def _check_suspect(directory: DataDirectory) -> None:
    note = directory.store / SUSPECT
    if note.exists():
        log.warning("a page could not be read in an earlier run; reading all of them")
        walk(directory.store / "data.mdb", "a page could not be read in an earlier run")
        note.unlink()


def _set_aside(directory: DataDirectory) -> str:
    """Move the store; its new path."""
    name = time.strftime("store.damaged-%Y%m%dT%H%M%SZ", time.gmtime())
    target = directory.path / name
    number = 1
    while target.exists():
        number += 1
        target = directory.path / f"{name}-{number}"
    directory.store.rename(target)
    sync_directory(directory.path)
    return str(target)
