"""The hot path: a plain request is carried out right where it was read, without aiohttp's tasks and objects.

aiohttp costs four times what reading a key does: a parser, a message queue, two tasks' worth of scheduling, a request
and a response of thirty attributes each. So a plain request (`api/plain.py`) for a key, on a connection that does
nothing else, is handed to the same handler from the socket's callback. The handler is a coroutine, and is driven by
hand: until its answer is there, or it waits for the node; the node's callback drives it on. No task, no future.

Everything else goes the ordinary way, on the same connection: other routes, requests that come in pieces, in chunks or
several at a time, other versions of HTTP, clients that do not take their answers. Both ways give the same bytes; the
whole suite of the API runs on both (`tests/api`). What comes while a request is being carried out is held, and fed
after its answer, so that order is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from dynamo.api.answer import Answer
from dynamo.api.call import Pending, driving
from dynamo.api.plain import PlainRequest

Carrying = Coroutine[Any, Any, Answer]
"""A handler at work. It waits for Pendings only."""
HotHandler = Callable[[PlainRequest, float], Carrying | None]
"""The handler of a request that was read from its socket then (monotonic seconds); None if it goes the ordinary way."""


class Asker(Protocol):
    """The connection that a request came on."""

    def answered(self, request: PlainRequest, answer: Answer) -> None:
        """Its answer is there."""

    def failed(self, problem: BaseException) -> None:
        """There will be none."""


def carry_on(asker: Asker, request: PlainRequest, carrying: Carrying) -> bool:
    """Drive a handler until its answer is there, or there is something to wait for: then False, and it will be driven
    on from there.
    """
    outer, driving.by_hand = driving.by_hand, True
    try:
        waits_for = carrying.send(None)
    except StopIteration as end:
        answer = end.value
    except Exception as problem:  # noqa: BLE001  # whatever a handler could not make an answer of
        asker.failed(problem)
        return True
    else:
        assert isinstance(waits_for, Pending), "handlers of hot routes wait for the node, and for nothing else"
        waits_for.on_settled = lambda: carry_on(asker, request, carrying)
        return False
    finally:
        driving.by_hand = outer
    asker.answered(request, answer)
    return True
