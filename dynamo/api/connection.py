"""One connection of a client: where its bytes go, and what becomes of a request before it is one.

Bytes are aiohttp's to parse, with three exceptions, all for plain requests (`api/plain.py`) on a connection that does
nothing else: while the node is full they are refused at once; those for keys are carried out at once (`hot_path.py`);
and what comes meanwhile is held until they are answered.

This leans on how aiohttp's `RequestHandler` works inside, in the attributes and methods named in INSIDE and nowhere
else. Where they are not as expected (`api/trial.py`), nothing is refused early and nothing takes the hot path.
"""

from __future__ import annotations

import asyncio
import time
from typing import cast

from aiohttp import http_exceptions, web

from dynamo.api.answer import COPY_BYTES_MAX, Answer, Outbox
from dynamo.api.cooling import Cooling
from dynamo.api.early_refusal import EarlyRefusal
from dynamo.api.gate import Gate
from dynamo.api.hot_path import HotHandler, carry_on
from dynamo.api.plain import PlainRequest, plain
from dynamo.api.problems import problem
from dynamo.config import LimitsSection
from dynamo.errors import BadRequest, DynamoError, HeadersTooLarge, Internal
from dynamo.telemetry.logs import Log
from dynamo.telemetry.trace import mint

journal = Log("api")

INSIDE = (
    "_close",
    "_force_close",
    "_handler_waiter",
    "_keepalive_handle",
    "_loop",
    "_messages",
    "_next_keepalive_close_time",
    "_paused",
    "_process_keepalive",
    "_request_in_progress",
    "_upgraded",
    "_waiter",
)
"""What of aiohttp's `RequestHandler` is used here that it does not promise."""
LINE_BYTES_MAX = 8190
"""Request line, or one header field."""
HEADERS_MAX = 128
LINGERING_S = 1.0
"""How long the rest of a refused body is read, so that the client sees the answer before the connection ends."""
_LOST = -1


class Connection(web.RequestHandler):
    """One connection of a client. With `early` plain requests may be refused early, with `hot` they are carried out."""

    __slots__ = (
        "_arrived",
        "_cooling",
        "_early",
        "_finishing",
        "_gate",
        "_held",
        "_hot",
        "_idle_s",
        "_inside",
        "_is_arriving",
        "_is_open",
        "_missing",
        "outbox",
    )

    def __init__(
        self,
        server: web.Server,
        gate: Gate,
        limits: LimitsSection,
        outbox: Outbox,
        cooling: Cooling,
        early: EarlyRefusal | None = None,
        hot: HotHandler | None = None,
    ) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=limits.header_timeout_s,
            lingering_time=LINGERING_S,
            access_log=None,  # type: ignore[arg-type]  # documented; the annotation forgets it
            max_line_size=LINE_BYTES_MAX,
            max_field_size=LINE_BYTES_MAX,
            max_headers=HEADERS_MAX,
            auto_decompress=False,
        )
        self._gate = gate
        self._inside = False
        self._early = early
        self._hot = hot
        self._cooling = cooling
        self._idle_s = limits.header_timeout_s
        self._missing = 0
        """Bytes until the parser stands between two requests; _LOST: that is not known any more."""
        self._is_arriving = False
        self._arrived = 0.0
        self._is_open = False
        """Whether a request of the hot path waits for its answer."""
        self._held: list[bytes] = []
        self._finishing: asyncio.Task[None] | None = None
        self.outbox = outbox

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._gate.closed:
            transport.close()
            return
        self._inside = self._gate.enter()
        if self._inside:
            super().connection_made(transport)
        else:
            assert isinstance(transport, asyncio.WriteTransport)
            transport.write(self._gate.refusal())
            transport.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._inside:
            self._gate.leave()
        self.begin()
        self._held.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_open:
            self._hold(data)
        elif self._inside and not self._was_plain(data):
            super().data_received(data)

    def begin(self) -> float:
        """The request that came last is being started. When it had come (monotonic seconds); 0 if that is not known."""
        if not self._is_arriving:
            return 0.0
        assert self._early is not None, "counted by the same object"
        self._is_arriving = False
        self._early.admission.arriving -= 1
        return self._arrived

    # -- plain requests --------------------------------------------------------------------------------------------

    def _was_plain(self, data: bytes) -> bool:
        """Whether what came was dealt with here."""
        early = self._early
        if early is None or self._missing == _LOST or not data:
            return False
        if self._missing:
            self._missing = max(self._missing - len(data), _LOST)
            return False
        request = plain(data)
        if request is None:
            self._missing = _LOST
            return False
        missing = request.size_bytes - len(data)
        if missing:
            self._missing = max(missing, _LOST)
            return False
        if self._messages or self._request_in_progress or self._upgraded or self._close or self._force_close:
            return False
        # Nothing of this connection is under way, or waits, or may not be followed by another request. Does aiohttp
        # wait for one, and does the client take its answers?
        waiter = self._waiter
        if waiter is not None and not (waiter.done() or self._paused or self.transport is None):
            if early.admission.is_full:
                if self._refused(early, request):
                    return True
            elif self._hot is not None and self._carried_out(self._hot, request, data):
                return True
        self._arrive(early)
        return False

    def _arrive(self, early: EarlyRefusal) -> None:
        if not self._is_arriving:
            self._is_arriving = True
            early.admission.arriving += 1
            self._arrived = time.monotonic()

    def _refused(self, early: EarlyRefusal, request: PlainRequest) -> bool:
        """Answer a whole request at once, if it is one that can be refused like this."""
        answer = early.answer(request)
        if answer is None or self.transport is None:
            return False
        self._stay()
        self.outbox.put(self.transport, answer)
        self._cooling.refused(self.transport)
        return True

    def _stay(self) -> None:
        """A sign of life: the time that a connection may be idle begins anew."""
        self._next_keepalive_close_time = self._loop.time() + self._idle_s

    # -- the hot path ----------------------------------------------------------------------------------------------

    def _carried_out(self, hot: HotHandler, request: PlainRequest, data: bytes) -> bool:
        """Begin a request on the hot path, if it may take it."""
        if not request.block.is_distinct:
            return False
        request.arrive(self, data)
        carrying = hot(request, self.outbox.turn())
        if carrying is None:
            return False
        if not carry_on(self, request, carrying):
            self._open()
        return True

    def answered(self, request: PlainRequest, answer: Answer) -> None:
        """The answer of a request on the hot path is there: write it, or see to its being written."""
        transport = self.transport
        if transport is None or transport.is_closing():
            self._end()
            return
        ends = answer.close or self._close or self._force_close
        if ends or self._paused or len(answer.payload) >= COPY_BYTES_MAX:
            self._open()
            self._finishing = self._loop.create_task(self._finish(request, answer))
            return
        try:
            data = answer.whole(request.method)
        except Exception as unfit:  # noqa: BLE001  # it must not reach the node, whose callback this may be
            self.failed(unfit)
            return
        self._stay()
        self.outbox.put(transport, data)
        if self._is_open:
            self._end()

    def failed(self, problem: BaseException) -> None:
        """There is no answer, which is a bug: the connection ends."""
        journal.bug("answer failed", problem, request_id=mint())
        self.force_close()
        self._end()

    async def _finish(self, request: PlainRequest, answer: Answer) -> None:
        """Write an answer that is large, or that the client has to take first, or after which the connection ends."""
        try:
            await answer.prepare(request)
        except ConnectionError:
            self.force_close()
        except Exception as unfit:  # noqa: BLE001  # nobody awaits this
            self.failed(unfit)
            return
        if answer.close or self._close or self._force_close:
            self.outbox.flush()
            self.force_close()
        else:
            self._stay()
        self._end()

    def _open(self) -> None:
        self._is_open = True
        self._request_in_progress = True

    def _hold(self, data: bytes) -> None:
        """Keep what comes before its time, no more than that."""
        if data:
            if not self._held and self.transport is not None and not self.transport.is_closing():
                self.transport.pause_reading()
            self._held.append(data)

    def _end(self) -> None:
        """A request on the hot path is over: whoever waits for that is told, and what was held is fed."""
        if not self._is_open:
            return
        self._is_open = self._request_in_progress = False
        waiter = self._handler_waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        held, self._held = self._held, []
        if held and self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()
            for data in held:
                self.data_received(data)

    # -- aiohttp's own ---------------------------------------------------------------------------------------------

    def _process_keepalive(self) -> None:
        """The time of an idle connection is over. One whose request waits on the hot path only looks idle."""
        if self._is_open:
            self._keepalive_handle = self._loop.call_later(self._idle_s, self._process_keepalive)
        else:
            super()._process_keepalive()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The place for what never reached a handler, or failed after one."""
        trace = mint()
        error: DynamoError
        if isinstance(exc, http_exceptions.LineTooLong):
            error = HeadersTooLarge(
                f"a line of the request is longer than {LINE_BYTES_MAX} bytes", limit=LINE_BYTES_MAX
            )
        elif status < 500:
            error = BadRequest("the request is not valid HTTP/1.1")
        else:
            error = Internal("this is a bug; the node's log has more under this id")
        if status < 500:
            self._gate.malformed(exc)
        else:
            journal.bug("answer failed", exc or RuntimeError(message), request_id=trace)
        answer = problem(error, trace, request.method)
        answer.close = True
        return cast("web.StreamResponse", answer)  # it has all that is called
