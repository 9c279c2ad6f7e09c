"""Whatever a history is written in: ours (JSON lines), EDN, or the lines of a Jepsen log."""

from __future__ import annotations

import re

from dynamo.checker import edn, jepsen, recorded
from dynamo.checker.history import events_of
from dynamo.checker.operation import Value
from dynamo.checker.recorded import Recording

_OURS = re.compile(r'\s*\{\s*"')


def read(text: str, model: str, bucket: str | None = None) -> Recording:
    """The operations of a history. `bucket`: only those of one, where the history knows buckets.

    Raises ValueError for what cannot be read; where one line is to blame its number comes first.
    """
    if is_ours(text):
        return recorded.of_events(events_of(text), bucket)
    return jepsen.operations(text, elements=model == "set")


def is_ours(text: str) -> bool:
    """Whether the text is JSON lines."""
    return _OURS.match(text) is not None


def initial_value(text: str | None, history: str) -> Value:
    """What a key holds at first, written as in that history: a word of our own, an EDN value of the others."""
    if text is None or is_ours(history):
        return text
    return jepsen.plain(edn.value_of(text))
