"""Structured lines on standard error: what happened to a node, never what a client stored.

One line is one event: time, level, the event in words, the node, the request id where there is one, and named facts.
JSON for machines, text for people; both escape control characters, so that no client can forge a line or move a
terminal's cursor. Values, contexts, keys and header texts are not logged.

    log = Log("transport")
    log.info("peer connected", peer="node2", attempt=3)

The standard library's way does as well: `logging.getLogger("dynamo.x").warning("text", extra={"event": "name"})`; every
name in `extra` is a fact, and `event`, where given, names the event while the text becomes `message`.

Nothing is logged on a request's success path: that is what metrics are for.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable

from dynamo.config import LogSection

ROOT = "dynamo"
QUIET_S = 10.0
"""A client that sends rubbish costs one line in this time, however much it sends."""

_FIELDS = "dynamo_fields"
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", _FIELDS}
"""What every record has; anything else came in as `extra`."""


class Log:
    """The log of one part of the node. Facts are keyword arguments: plain values, no secrets, no client's bytes."""

    __slots__ = ("_logger",)

    def __init__(self, part: str) -> None:
        self._logger = logging.getLogger(f"{ROOT}.{part}")

    def debug(self, event: str, **fields: object) -> None:
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: object) -> None:
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, **fields: object) -> None:
        self._write(logging.ERROR, event, fields)

    def bug(self, event: str, error: BaseException, **fields: object) -> None:
        """An error that should not have happened, with its traceback."""
        self._write(logging.ERROR, event, fields, error)

    def _write(self, level: int, event: str, fields: dict[str, object], error: BaseException | None = None) -> None:
        if self._logger.isEnabledFor(level):
            # The event goes in as an argument: a percent sign in it is only a percent sign.
            self._logger.log(level, "%s", event, extra={_FIELDS: fields}, exc_info=error)


class _Formatter(logging.Formatter):
    """Collects the facts of a record in the order in which they are shown."""

    def __init__(self, node: str) -> None:
        super().__init__()
        self._node = node

    def facts(self, record: logging.LogRecord) -> dict[str, object]:
        extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        extra.update(getattr(record, _FIELDS, {}))
        message = record.getMessage()
        whole: dict[str, object] = {
            "ts": _timestamp(record.created),
            "level": record.levelname.lower(),
            "event": extra.pop("event", message),
            "node": self._node,
            "part": record.name.removeprefix(f"{ROOT}."),
        }
        if whole["event"] != message:
            whole["message"] = message
        for name, value in extra.items():
            whole.setdefault(name, value)
        if record.exc_info and record.exc_info[0] is not None:
            whole["error"] = record.exc_info[0].__name__
            whole["traceback"] = self.formatException(record.exc_info)
        return whole


class JsonFormatter(_Formatter):
    """One JSON object a line, ASCII only."""

    def format(self, record: logging.LogRecord) -> str:
        # A line is written even where a fact is no JSON value, or a lone surrogate of some client's bytes.
        return json.dumps(self.facts(record), default=repr, ensure_ascii=True)


class TextFormatter(_Formatter):
    """Time, level, event, then facts as name=value; a traceback follows, indented."""

    def format(self, record: logging.LogRecord) -> str:
        facts = self.facts(record)
        traceback = str(facts.pop("traceback", ""))
        head = f"{facts.pop('ts')} {facts.pop('level')!s:7} {_visible(str(facts.pop('event')))}"
        line = " ".join([head, *(f"{name}={_visible(str(value))}" for name, value in facts.items())])
        return "\n    ".join([line, *(_visible(each) for each in traceback.splitlines())])


def _timestamp(seconds: float) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{int(seconds % 1 * 1000):03d}Z"


def _visible(text: str) -> str:
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


class Repeated:
    """Turns a flood of equal events into one line per `quiet_s` that says how many there were."""

    __slots__ = ("_clock", "_quiet_s", "_silent_until", "_unsaid")

    def __init__(self, quiet_s: float = QUIET_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._quiet_s = quiet_s
        self._clock = clock
        self._silent_until = float("-inf")
        self._unsaid = 0

    def due(self) -> int:
        """Count one event. Answers 0 to stay silent, else the number of events that the line to write stands for."""
        self._unsaid += 1
        now = self._clock()
        if now < self._silent_until:
            return 0
        self._silent_until = now + self._quiet_s
        said, self._unsaid = self._unsaid, 0
        return said


class MalformedRequests(logging.Filter):
    """For the logger `aiohttp.server`: what a client did wrong becomes one short line, seldom; our own bugs pass.

    aiohttp logs a traceback for each request that it cannot parse, which would let any client fill the disk.
    """

    def __init__(self, repeated: Repeated | None = None) -> None:
        super().__init__()
        self._repeated = repeated or Repeated()

    def filter(self, record: logging.LogRecord) -> bool:
        kind = record.exc_info[0] if record.exc_info else None
        if kind is None or not _is_clients_doing(kind):
            return True
        count = self._repeated.due()
        if count == 0:
            return False
        record.msg, record.args = "malformed requests", ()
        record.exc_info = record.exc_text = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        setattr(record, _FIELDS, {"count": count, "last": kind.__name__})
        return True


def _is_clients_doing(kind: type[BaseException]) -> bool:
    """Known by name, since telemetry knows no HTTP library: its parser's errors, and connections that went away."""
    names = {parent.__name__ for parent in kind.__mro__}
    return bool(names & {"HttpProcessingError", "ConnectionError", "PayloadEncodingError", "RequestPayloadError"})


def configure(section: LogSection, node: str) -> None:
    """Send everything to standard error in the configured form. Once per process; a second call replaces the first."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(node) if section.format == "json" else TextFormatter(node))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(ROOT).setLevel(section.level.upper())
    server = logging.getLogger("aiohttp.server")
    server.filters[:] = [MalformedRequests()]
