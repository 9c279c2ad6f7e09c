"""When all is quiet, the replicas of a key hold the same bytes, their Merkle leaves fit, and nobody else holds any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from dynamo.checker.history import Place, Version, Violation


class Copy(msgspec.Struct, frozen=True):
    """What one node holds of one key."""

    version: Version
    form: str
    """Its bytes, or a hash of them: equal versions have equal forms."""


class Holding(msgspec.Struct, frozen=True):
    """All that one node holds durably."""

    copies: Mapping[Place, Copy]
    wrong_leaves: tuple[str, ...] = ()
    """Names of the Merkle leaves that differ from what the records under them come to."""


def check(
    holdings: Mapping[str, Holding], homes: Mapping[Place, tuple[str, ...]], *, forgets: bool = False
) -> list[Violation]:
    """`homes` names the replicas of each key that was touched.

    Where the store forgets (`forgets`) some replicas may have forgotten a dead key that others still keep.
    """
    found = list(_wrong_leaves(holdings))
    for place, home in sorted(homes.items()):
        found.extend(_differences(place, home, holdings, forgets=forgets))
    for node, holding in sorted(holdings.items()):
        strays = [place for place in sorted(holding.copies) if node not in homes.get(place, ())]
        found.extend(Violation("misplaced", place, f"{node} holds it and is no replica of it") for place in strays)
    return found


def _wrong_leaves(holdings: Mapping[str, Holding]) -> Iterator[Violation]:
    for node, holding in sorted(holdings.items()):
        for leaf in holding.wrong_leaves:
            yield Violation("wrong-leaf", ("", ""), f"{leaf} of {node} does not fit the records under it")


def _differences(
    place: Place, home: tuple[str, ...], holdings: Mapping[str, Holding], *, forgets: bool
) -> Iterator[Violation]:
    forms: dict[str, list[str]] = {}
    for node in home:
        copy = holdings[node].copies.get(place) if node in holdings else None
        forms.setdefault("nothing" if copy is None else copy.form, []).append(node)
    if forgets and "nothing" in forms and len(forms) == 2 and _is_dead(place, home, holdings):
        return
    if len(forms) > 1:
        sides = " and ".join(", ".join(nodes) for nodes in forms.values())
        yield Violation("diverged", place, f"{sides} hold different versions after everybody was repaired")


def _is_dead(place: Place, home: tuple[str, ...], holdings: Mapping[str, Holding]) -> bool:
    """Whether nothing that anybody holds of the key will ever be shown again."""
    copies = [holdings[node].copies[place] for node in home if place in holdings[node].copies]
    return all(s.value is None or s.expires_at is not None for copy in copies for s in copy.version.siblings)
