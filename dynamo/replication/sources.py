"""Who may be asked for a key: the live primaries, nearest first; then, for each primary that cannot answer, a fallback.

A fallback answers with the hint that it keeps for that primary, and takes a repair as one. It speaks for the primary
only as far as it has a hint: that it has none says nothing of the key, since hints go once they are delivered.
"""

from __future__ import annotations

from dynamo.protocol.messages import Fetch, Store


class Sources:
    """One per read. `primaries` are alive, nearest first; `away` are those that are not; `spare` the live fallbacks."""

    __slots__ = ("_fetch", "_primaries", "_spare", "_unasked", "_vacant", "hint_for")

    def __init__(
        self, fetch: Fetch, primaries: tuple[str, ...], away: tuple[str, ...] = (), spare: tuple[str, ...] = ()
    ) -> None:
        self._fetch = fetch
        self._primaries = primaries
        self._unasked = list(primaries)
        self._vacant = list(away)
        """Primaries that cannot answer and whose fallback was not asked yet."""
        self._spare = list(spare)
        self.hint_for: dict[str, str] = {}
        """Fallbacks that were asked, each with the primary that it stands in for."""

    def suffice(self, needed: int, primaries: int) -> bool:
        """Whether so many can be asked, so many primaries among them, as far as is known now."""
        alive = len(self._unasked)
        return alive >= primaries and (alive >= needed or alive + min(len(self._vacant), len(self._spare)) >= needed)

    def first(self, count: int) -> list[str]:
        """The first ones to ask, from now on asked; fewer if there are no more."""
        asked, self._unasked = self._unasked[:count], self._unasked[count:]
        while len(asked) < count and (fallback := self.next()):
            asked.append(fallback)
        return asked

    def next(self, *, primary: bool = False) -> str | None:
        """The next one to ask, from now on asked; None if nobody is left. With `primary` no fallback."""
        if self._unasked:
            return self._unasked.pop(0)
        if primary or not self._vacant or not self._spare:
            return None
        fallback = self._spare.pop(0)
        self.hint_for[fallback] = self._vacant.pop(0)
        return fallback

    @property
    def left(self) -> bool:
        """Whether anybody is left to ask."""
        return bool(self._unasked or (self._vacant and self._spare))

    def failed(self, node: str) -> None:
        """A node that was asked cannot answer: a fallback may, or another one."""
        self._vacant.append(self.hint_for.get(node, node))

    def everyone(self) -> list[str]:
        """All that were or may be asked without looking for further fallbacks."""
        return [*self._primaries, *self.hint_for]

    def fetch(self, node: str) -> Fetch:
        """What to ask a node."""
        if node in self.hint_for:
            return Fetch(self._fetch.bucket, self._fetch.key, self.hint_for[node])
        return self._fetch

    def store(self, node: str, data: bytes) -> Store:
        """What brings a node up to `data`."""
        return Store(self._fetch.bucket, self._fetch.key, data, hint_for=self.hint_for.get(node, ""))
