"""What a worker tells its parent, one JSON document a line: plain data."""

from __future__ import annotations

import msgspec

from dynamo.report.counts import Counts


class Ready(msgspec.Struct, tag_field="says", tag="ready", frozen=True):
    """It is connected."""


class Loading(msgspec.Struct, tag_field="says", tag="loading", frozen=True):
    """How far the preload is: keys that are written, and those of them that were read back."""

    written: int
    verified: int


class Loaded(msgspec.Struct, tag_field="says", tag="loaded", frozen=True):
    """The preload is done. `problem`: why it is not complete; empty if it is."""

    problem: str = ""


class Told(msgspec.Struct, tag_field="says", tag="told", frozen=True):
    """What ended in a stretch of time."""

    place: int
    """Which stretch: seconds since the begin over the interval's length."""
    counts: Counts
    in_flight: int


class Ended(msgspec.Struct, tag_field="says", tag="ended", frozen=True):
    """The run is over. `corrupt`: what a read returned that nobody wrote; empty if all was well."""

    corrupt: str = ""
    unsettled: int = 0
    """Writes whose outcome nobody knows."""
    first_failure: str = ""


Said = Ready | Loading | Loaded | Told | Ended
encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Said).decode
