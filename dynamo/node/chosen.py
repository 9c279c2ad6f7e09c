"""Records of linearizable buckets: only what was chosen may be in one, whoever sends it.

A register that a majority accepted becomes a record of one form (`consensus/record.py`), with which weaker reads,
listings, read repair and anti-entropy work as with any other. That form is checked at each door through which a record
can come in. It is no proof: who speaks for the cluster could forge it. It is what no plain write, hint or import has.
"""

from __future__ import annotations

from dynamo.consensus.record import is_chosen_form
from dynamo.errors import ModeConflict
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.replication.read_repair import Resolve, keep_newest, keep_siblings
from dynamo.versioning.record import Record
from dynamo.versioning.siblings import EMPTY


def version_of(record: Record) -> int:
    """The version of a chosen record; 0 of any other, which counts as nothing."""
    return record.siblings[0].counter if is_chosen_form(record) else 0


def keep_chosen(left: Record, right: Record) -> Record:
    """Reconciliation of a linearizable bucket: the highest version that was chosen.

    What else may lie there, from a time when this node knew the bucket as another one, is nothing.
    """
    newest = max(left, right, key=version_of)
    return newest if version_of(newest) else EMPTY


RESOLVERS: dict[Mode, Resolve] = {
    Mode.SIBLINGS: keep_siblings,
    Mode.LWW: keep_newest,
    Mode.LINEARIZABLE: keep_chosen,
}
"""How what two replicas hold of a key is reconciled, by the mode of its bucket."""


def check_chosen(bucket: BucketProperties | None, record: Record) -> None:
    """Before a record is stored. Raises ModeConflict for one that a linearizable bucket cannot have.

    An empty one it can have: that is what repair makes of something that was not chosen.
    """
    if bucket is None or bucket.mode is not Mode.LINEARIZABLE:
        return
    if not is_chosen_form(record) and record != EMPTY:
        raise ModeConflict(f"bucket {bucket.name} is linearizable and takes no record that was not chosen")


def check_plain(bucket: BucketProperties | None) -> None:
    """Before a plain write is begun, or a hint kept. Raises ModeConflict in a linearizable bucket."""
    if bucket is not None and bucket.mode is Mode.LINEARIZABLE:
        raise ModeConflict(
            f"bucket {bucket.name} is linearizable: it is changed by agreement of the key's replicas, never by a plain "
            "write, and nothing is kept for it elsewhere; nothing was written"
        )
