import gc
import http.client
import socket
import time

from dynamo.load.memory_store import Store
from tests.unit.load.stage import listening


def asked(port: int, verb: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(verb, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_it_keeps_values():
    """By path, whatever the query says; of what it has not got it says so."""
    with listening(Store()) as port:
        assert asked(port, "GET", "/v1/kv/load/a") == (404, b"")
        assert asked(port, "PUT", "/v1/kv/load/a?w=1", b"x" * 100_000)[0] == 204
        assert asked(port, "GET", "/v1/kv/load/a?r=1") == (200, b"x" * 100_000)
        assert b'"lww"' in asked(port, "GET", "/v1/buckets/load")[1]


def test_it_lies_as_it_is_told_to():
    """Every n-th reader is shown the value before; one value is damaged; both are counted."""
    store = Store(stale_every=2, damage_at=3)
    store.put(b"/a", b"one")
    assert [store.get(b"/a")[-3:] for _ in range(2)] == [b"one", b"one"]
    assert store.stale == 0
    store.put(b"/a", b"two")
    assert [store.get(b"/a")[-3:] for _ in range(2)] == [b"twn", b"one"]
    assert (store.reads, store.stale) == (4, 1)


def test_it_leaves_no_connection_behind():
    """Not even one that comes or goes while it ends: unclosed, it would be held against a later test."""
    for turn in range(200):
        with listening(Store()) as port, socket.create_connection(("127.0.0.1", port)):
            until = time.perf_counter() + turn * 2e-6
            while time.perf_counter() < until:
                pass
    gc.collect()  # an unclosed transport warns here, and a warning fails the test
