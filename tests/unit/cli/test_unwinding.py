import asyncio
import os
import signal

import pytest

from dynamo.cli.unwinding import unwinding_on_term
from dynamo.workload.event_loop import new_event_loop


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_running_loop_ends():
    """The signal comes in the middle of a callback: what runs is unwound, and the process would end with 143."""
    unwound: list[bool] = []

    async def work() -> None:
        asyncio.get_running_loop().call_soon(terminate)
        try:
            await asyncio.sleep(60)
        finally:
            unwound.append(True)

    before = signal.getsignal(signal.SIGTERM)
    with (
        pytest.raises(SystemExit) as ended,
        unwinding_on_term(),
        asyncio.Runner(loop_factory=new_event_loop) as loop,
    ):
        loop.run(work())
    assert ended.value.code == 128 + signal.SIGTERM
    assert unwound == [True]
    assert signal.getsignal(signal.SIGTERM) is before


def test_without_a_loop_it_ends_at_once():
    with pytest.raises(SystemExit) as ended, unwinding_on_term():
        terminate()
    assert ended.value.code == 128 + signal.SIGTERM


def test_ctrl_c_stays_ctrl_c():
    """Nobody asked for another code."""
    with pytest.raises(KeyboardInterrupt), unwinding_on_term():
        signal.raise_signal(signal.SIGINT)


def test_where_ctrl_c_is_ignored_as_in_the_background_of_a_script():
    """It ends all the same, and what was ignored is ignored again."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(SystemExit) as ended, unwinding_on_term():
            signal.raise_signal(signal.SIGTERM)
        assert ended.value.code == 128 + signal.SIGTERM
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
