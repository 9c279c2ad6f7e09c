"""One row of the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

Taken = AbstractContextManager[Any]
"""While it is entered the mechanism is out of order."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mechanism, out of order. `tests` are node ids; each must fail."""

    name: str
    what: str
    take_out: Callable[[], Taken]
    tests: tuple[str, ...]
