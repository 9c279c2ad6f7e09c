"""Which store of a node is the one it had last: older copies of a data directory must not take part.

A store that was put back from a copy has forgotten the writes that its node acknowledged since, and, worse, still holds
what was deleted and reaped since: nobody else remembers that it was deleted, so the copy would bring it back. The node
itself cannot tell, since everything it could look at is part of the copy. The others can, by what they were shown:

    store     drawn when a store is made. A store that came later replaces all that were known of the node.
    starts    grows with each start. A lower number than was shown before is that of a copy.
    run       drawn at each start. The same number with another run is a second copy: two starts had the same number.
    reaps     grows, on disk and in the memory of the others, whenever the store agrees that records be forgotten, and
              before they are. A later start with a lower number begins on a copy from before that, even one taken
              while the node ran, whose number of starts alone would pass.

What is not seen: a copy taken while the node ran and put back at its very next start, with nothing agreed in between.
It has lost writes, as a broken disk has, and the other replicas have them; it brings back nothing.

Everybody refuses such a node in the handshake, and it ends itself. A node knows what it was shown, and what others tell
of stores it was shown. Which of two stores came later is known only to those who met both: so hearsay brings in a
store that replaces one this node knows only from somebody who has both in his list, in that order. Of a node whose
stores it has forgotten, since the note of them was damaged, it believes nothing but what that node shows.
"""

from __future__ import annotations

from dynamo.protocol.messages import StoreAge

STORES_MAX = 32
"""Stores remembered of one node: it gets another one whenever it starts empty."""
_FORGOTTEN = "?"
"""Begins the name of a store that stands for the ones that were forgotten; in no real name."""


class StoreAges:
    """What is known of the stores of other nodes."""

    def __init__(self) -> None:
        self._known: dict[str, list[StoreAge]] = {}

    def of(self, node: str) -> list[StoreAge]:
        """Stores of a node with the highest numbers seen of each, the present one last."""
        return list(self._known.get(node, ()))

    def restore(self, node: str, stores: list[StoreAge]) -> None:
        """What `of` returned in an earlier run."""
        self._known[node] = list(stores)

    def forget(self, node: str, by: str) -> None:
        """The memory of a node's stores is damaged; it differs from then on from everybody else's than `by`'s."""
        self._known[node] = [StoreAge(node, _FORGOTTEN + by, 0, "")]

    def present(self) -> list[StoreAge]:
        """The present store of each node, in the order of their names."""
        return [stores[-1] for stores in self.all() if not stores[-1].store.startswith(_FORGOTTEN)]

    def all(self) -> list[list[StoreAge]]:
        """All that is known: of each node, in the order of their names, what `of` returns."""
        return [stores for _, stores in sorted(self._known.items()) if stores]

    def objection(self, shown: StoreAge) -> str:
        """Why a node that shows this store must not take part; empty if it may."""
        stores = self._known.get(shown.node)
        if not shown.store or not stores:
            return ""
        known = stores[-1]
        if shown.store != known.store:
            if any(shown.store == older.store for older in stores):
                return f"store {shown.store} was replaced by store {known.store}, with which {shown.node} ran later"
            return ""
        if shown.starts < known.starts:
            return f"it is start {shown.starts} on store {shown.store}, and start {known.starts} was seen before"
        if shown.starts == known.starts and shown.run != known.run:
            return f"start {shown.starts} on store {shown.store} was seen before, and was another one"
        if shown.starts > known.starts and shown.reaps < known.reaps:
            return (
                f"store {shown.store} has agreed to {shown.reaps} rounds of removal, and had agreed to {known.reaps} "
                "before: it holds what was deleted since"
            )
        return ""

    def met(self, shown: StoreAge) -> bool:
        """Take note of a store that a node showed itself and that has no objection; whether that was news."""
        if not shown.store:
            return False
        stores = self._known.setdefault(shown.node, [])
        if stores and stores[-1].store == shown.store:
            return self._raise(stores, shown)
        stores.append(shown)
        del stores[:-STORES_MAX]
        return True

    def heard(self, told: StoreAge) -> bool:
        """Take note of what another node tells of a store; whether that was news."""
        stores = self._known.get(told.node)
        if not stores:
            return self.met(told)
        return stores[-1].store == told.store and self._raise(stores, told)

    def told(self, stores: list[StoreAge]) -> bool:
        """Take note of what another node knows of one node's stores, as `of` returned it there; whether it was news."""
        if not stores or not _is_one_nodes(stores):
            return False
        known = self._known.get(stores[0].node)
        if not known:
            self._known[stores[0].node] = stores[-STORES_MAX:]
            return True
        places = {age.store: place for place, age in enumerate(stores)}
        place = places.get(known[-1].store)
        if place is None:
            return False
        is_news = self._raise(known, stores[place])
        later = stores[place + 1 :]
        if not later or any(places.get(age.store, place) > place for age in known):
            return is_news
        known.extend(later)
        del known[:-STORES_MAX]
        return True

    def _raise(self, stores: list[StoreAge], told: StoreAge) -> bool:
        known = stores[-1]
        newest = told if told.starts > known.starts else known
        highest = StoreAge(known.node, known.store, newest.starts, newest.run, max(known.reaps, told.reaps))
        stores[-1] = highest
        return highest != known


def _is_one_nodes(stores: list[StoreAge]) -> bool:
    if not stores[-1].store or stores[-1].store.startswith(_FORGOTTEN):
        return False
    return all(age.node == stores[-1].node for age in stores)
