"""How many answers are enough.

First the words: what `consistency`, `r`, `w`, `pr`, `pw`, `dw` of a request and the bucket's defaults come to. Then the
count itself: pending, met or impossible.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from dynamo.errors import InvalidParameter
from dynamo.protocol.bucket import BucketProperties, Mode, resolve_quorum
from dynamo.protocol.commands import Consistency, ListCommand, ReadCommand, WriteCommand


class ReadQuorum(msgspec.Struct, frozen=True, gc=False):
    """What a read waits for: `needed` answers, `primaries` of them by primaries; by these only, unless it is sloppy."""

    n: int
    needed: int
    primaries: int = 0
    sloppy: bool = False

    @property
    def level(self) -> Consistency:
        """The name of this strength, for metrics and logs."""
        return _level(self.needed, self.n)

    @property
    def repairs_first(self) -> bool:
        """From a majority on, differences are repaired before the answer, so that such reads never go backwards."""
        return self.needed >= self.n // 2 + 1


class WriteQuorum(msgspec.Struct, frozen=True, gc=False):
    """What a write waits for: `needed` acknowledgements, `primaries` of them by primaries, `durable` of them synced."""

    n: int
    needed: int
    primaries: int
    durable: int
    sloppy: bool

    @property
    def level(self) -> Consistency:
        """The name of this strength, for metrics and logs."""
        return _level(self.needed, self.n)


def read_quorum(bucket: BucketProperties, command: ReadCommand | ListCommand) -> ReadQuorum:
    """Raises InvalidParameter where the words contradict each other or n."""
    pr = command.pr if type(command) is ReadCommand else None
    sloppy = _sloppy(bucket, command)
    return _read_quorum(bucket.n, bucket.r, bucket.pr, command.consistency, command.r, pr, sloppy)


@lru_cache(maxsize=1024, typed=True)
def _read_quorum(
    n: int,
    r_default: int | str,
    pr_default: int | str,
    consistency: Consistency | None,
    r: int | str | None,
    pr: int | str | None,
    sloppy: bool,  # noqa: FBT001  # positional, as keys of the cache are made of it
) -> ReadQuorum:
    """Programs use few different words, and each read asks for their meaning."""
    wanted = _effective(consistency, r, r_default, n, "r")
    primaries = resolve_quorum(_default(pr_default, n) if pr is None else pr, n, "pr", smallest=0)
    return ReadQuorum(n, max(wanted, primaries), primaries, sloppy)


def write_quorum(bucket: BucketProperties, command: WriteCommand) -> WriteQuorum:
    """Raises InvalidParameter where the words contradict each other or n."""
    sloppy = _sloppy(bucket, command)
    return _write_quorum(
        bucket.n, bucket.w, bucket.pw, bucket.dw, command.consistency, command.w, command.pw, command.dw, sloppy
    )


@lru_cache(maxsize=1024, typed=True)
def _write_quorum(  # noqa: PLR0913, PLR0917 - keys of the cache are made of them
    n: int,
    w_default: int | str,
    pw_default: int | str,
    dw_default: int | str,
    consistency: Consistency | None,
    w: int | str | None,
    pw: int | str | None,
    dw: int | str | None,
    sloppy: bool,  # noqa: FBT001 - the same
) -> WriteQuorum:
    wanted = _effective(consistency, w, w_default, n, "w")
    primaries = resolve_quorum(_default(pw_default, n) if pw is None else pw, n, "pw", smallest=0)
    durable = resolve_quorum(_default(dw_default, n) if dw is None else dw, n, "dw", smallest=0)
    return WriteQuorum(n, max(wanted, primaries, durable), primaries, durable, sloppy)


def _sloppy(bucket: BucketProperties, command: ReadCommand | WriteCommand | ListCommand) -> bool:
    """Whether fallbacks count. They keep hints, not ranges of keys, so a listing is never sloppy; and no hints for
    linearizable buckets.
    """
    if isinstance(command, ListCommand) or bucket.mode is Mode.LINEARIZABLE:
        return False
    return bucket.sloppy if command.sloppy is None else command.sloppy


def _default(wanted: int | str, n: int) -> int | str:
    """A bucket's own setting. Two buckets of one name made at once may merge to one that wants more than its n: all."""
    return min(wanted, n) if isinstance(wanted, int) else wanted


def _effective(
    consistency: Consistency | None, explicit: int | str | None, default: int | str, n: int, parameter: str
) -> int:
    if consistency is Consistency.LINEARIZABLE:
        raise InvalidParameter(
            "consistency=linearizable is for reads of single keys in linearizable buckets; use one, quorum or all",
            parameter="consistency",
        )
    named = None if consistency is None else resolve_quorum(consistency.value, n, "consistency", smallest=1)
    if explicit is None:
        return resolve_quorum(_default(default, n), n, parameter, smallest=1) if named is None else named
    wanted = resolve_quorum(explicit, n, parameter, smallest=1)
    if named is not None and consistency is not None and wanted != named:
        raise InvalidParameter(
            f"consistency={consistency.value} means {parameter}={named} in a bucket with n={n}, "
            f"but {parameter}={explicit} was asked for; give one of the two",
            parameter=parameter,
        )
    return wanted


def _level(needed: int, n: int) -> Consistency:
    if needed >= n > 1:
        return Consistency.ALL
    return Consistency.ONE if needed <= 1 else Consistency.QUORUM


class Tally:
    """Counts yes and no of a known number of voters, each once."""

    __slots__ = ("_voted", "needed", "no", "total", "yes")

    def __init__(self, needed: int, total: int) -> None:
        assert needed >= 0
        self.needed = needed
        self.total = total
        self.yes = 0
        self.no = 0
        self._voted: dict[str, bool] = {}

    def count(self, voter: str, *, vote: bool) -> bool:
        """Whether this was the voter's first vote; a later one changes nothing."""
        if voter in self._voted:
            return False
        self._voted[voter] = vote
        if vote:
            self.yes += 1
        else:
            self.no += 1
        return True

    @property
    def met(self) -> bool:
        """Enough have said yes."""
        return self.yes >= self.needed

    @property
    def impossible(self) -> bool:
        """Not enough are left to say yes."""
        return self.total - self.no < self.needed

    @property
    def complete(self) -> bool:
        """All have voted."""
        return self.yes + self.no >= self.total
