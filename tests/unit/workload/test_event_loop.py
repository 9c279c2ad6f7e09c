import importlib.util

from dynamo.workload.event_loop import new_event_loop


def test_the_loop_is_the_nodes_own_kind():
    """That of uvloop where it is installed: a yardstick on a slower loop would flatter us."""
    loop = new_event_loop()
    try:
        assert type(loop).__module__.startswith("uvloop" if importlib.util.find_spec("uvloop") else "asyncio")
    finally:
        loop.close()


def test_without_uvloop_there_is_asyncio(monkeypatch):
    """A platform without it still runs."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    loop = new_event_loop()
    try:
        assert type(loop).__module__.startswith("asyncio")
    finally:
        loop.close()
