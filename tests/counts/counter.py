"""Counts what Python does: instructions of its byte code, and calls from it into C, function by function.

Such a count does not know how long an instruction takes, and nothing of the kernel. But it is the same on a busy
machine and on an idle one, on a fast one and on a slow one, so one instruction more is seen. A version of CPython
compiles to instructions of its own, so counts of one are compared with that one only.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from types import CodeType, FrameType, TracebackType
from typing import Any, Self

Place = Callable[[str], str]
"""Which module a file is, for the count; empty if it is not to be counted."""


class Count:
    """While its `with` block runs, everything that this thread does in files that have a place is counted.

    Functions that were called before the block are not, until they are called, or resumed, within it.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._steps: Counter[CodeType] = Counter()
        self._calls: Counter[CodeType] = Counter()
        self._counted: dict[CodeType, bool] = {}
        self._before: tuple[Any, Any] = (None, None)

    def __enter__(self) -> Self:
        self._before = sys.gettrace(), sys.getprofile()
        sys.setprofile(self._profiled)
        sys.settrace(self._entered)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        sys.settrace(self._before[0])
        sys.setprofile(self._before[1])

    @property
    def steps(self) -> dict[tuple[str, str], int]:
        """Instructions by module and function."""
        return self._by_function(self._steps)

    @property
    def calls(self) -> dict[tuple[str, str], int]:
        """Calls into C by module and function that made them."""
        return self._by_function(self._calls)

    def _by_function(self, counted: Counter[CodeType]) -> dict[tuple[str, str], int]:
        found: Counter[tuple[str, str]] = Counter()
        for code, count in counted.items():
            found[self._place(code.co_filename), code.co_qualname] += count
        return dict(found)

    def _is_counted(self, code: CodeType) -> bool:
        counted = self._counted.get(code)
        if counted is None:
            counted = self._counted[code] = bool(self._place(code.co_filename))
        return counted

    def _entered(self, frame: FrameType, event: str, arg: object) -> Any:
        if not self._is_counted(frame.f_code):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._stepped

    def _stepped(self, frame: FrameType, event: str, arg: object) -> Any:
        if event == "opcode":
            self._steps[frame.f_code] += 1
        return self._stepped

    def _profiled(self, frame: FrameType, event: str, arg: object) -> None:
        if event == "c_call" and self._is_counted(frame.f_code):
            self._calls[frame.f_code] += 1
