"""What is on its way to this node's disk, and whether it may have left the node meanwhile.

A later write of a key is computed from what still waits for the disk, and is sent to the other replicas at once: it
carries the earlier one along. If the disk then refuses both, the earlier one may live on elsewhere, so "not applied"
would be a lie; its outcome is unknown. So is everything that was under way when the store broke for good: a sync that
failed may have written all of it.
"""

from __future__ import annotations

from dynamo.errors import DynamoError, StorageRefused, WriteTimeout


class Unsettled:
    """One change of a key that waits for the disk."""

    __slots__ = ("carried_away", "stored_key")

    def __init__(self, stored_key: bytes, *, carried_away: bool) -> None:
        self.stored_key = stored_key
        self.carried_away = carried_away
        """A later write has taken it to other replicas."""


class UnsettledChanges:
    """One per node."""

    __slots__ = ("_by_key",)

    def __init__(self) -> None:
        self._by_key: dict[bytes, list[Unsettled]] = {}

    def begin(self, stored_key: bytes, *, is_new: bool) -> Unsettled:
        """A change of the key was handed to the store. One that is not new may be part of those that wait already."""
        waiting = self._by_key.setdefault(stored_key, [])
        carried_away = not is_new and any(earlier.carried_away for earlier in waiting)
        change = Unsettled(stored_key, carried_away=carried_away)
        waiting.append(change)
        return change

    def carry_away(self, stored_key: bytes) -> None:
        """The newest state of the key is about to be sent to other replicas."""
        for change in self._by_key.get(stored_key, ()):
            change.carried_away = True

    def settle(self, change: Unsettled, error: DynamoError | None) -> DynamoError | None:
        """The store's answer for a change, as it may be passed on: a refusal only if nothing of it is left anywhere."""
        waiting = self._by_key[change.stored_key]
        waiting.remove(change)
        if not waiting:
            del self._by_key[change.stored_key]
        if isinstance(error, StorageRefused):
            return WriteTimeout(f"{error.detail}; the write may appear when the store is opened again")
        if error is None or not change.carried_away:
            return error
        return WriteTimeout(f"{error.detail}, but a later write of the key took it to other replicas; it may appear")
