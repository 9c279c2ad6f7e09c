import gc
import inspect
import socket
import threading
from collections.abc import Iterator

import pytest

from dynamo.client.client import AsyncClient
from dynamo.client.resolve import last_write_wins
from dynamo.client.results import Conflict, Missing, Operation, OutcomeUnknown, Siblings, Value, Written
from dynamo.client.session import Session
from dynamo.client.sync import Client, SyncSession
from dynamo.errors import Applied, BucketNotFound, DynamoError, InvalidParameter
from tests.unit.client.fake_cluster import FakeCluster, in_thread
from tests.unit.client.patience import WIDE_S


@pytest.fixture
def served() -> Iterator[FakeCluster]:
    with in_thread() as cluster:
        yield cluster


@pytest.fixture
def client(served) -> Iterator[Client]:
    with Client(served.endpoints, timeout_s=WIDE_S) as client:
        yield client


def public(kind: type) -> dict[str, list[str]]:
    return {
        name: list(inspect.signature(member).parameters)
        for name, member in vars(kind).items()
        if inspect.isfunction(member) and not name.startswith("_")
    }


def test_the_twins_have_the_same_calls():
    """Names and arguments; `run` is the facade's own."""
    twin = public(Client)
    assert twin.pop("run") == ["self", "work"]
    assert twin == public(AsyncClient)
    assert public(SyncSession) == public(Session)


def test_objects_come_and_go(client):
    """Put, get, siblings, delete."""
    client.put("b", "k", b"1", content_type="a/b", meta={"x": "y"})
    found = client.get("b", "k")
    assert isinstance(found, Value)
    assert (found.value, found.content_type, found.meta) == (b"1", "a/b", {"x": "y"})
    client.put("b", "k", b"2")
    both = client.get("b", "k")
    assert isinstance(both, Siblings)
    client.delete("b", "k", seen=both)
    assert isinstance(client.get("b", "k"), Missing)
    assert client.get("b", client.create("b", b"x").key).value == b"x"


def test_update_runs_in_the_callers_thread(client):
    """So that it may block, or use what belongs to the thread."""
    threads = []

    def change(old: bytes | None) -> bytes | None:
        threads.append(threading.current_thread())
        return None if old == b"stop" else b"stop"

    client.update("b", "k", change)
    client.update("b", "k", change)
    assert threads == [threading.current_thread()] * 2
    assert isinstance(client.get("b", "k"), Missing)
    client.put("b", "k", b"1")
    client.put("b", "k", b"2")
    client.update("b", "k", lambda old: old, resolve=last_write_wins, timeout_s=WIDE_S)
    assert client.get("b", "k").value == b"2"


def test_listings_are_iterators_over_pages(client, served):
    """A page is fetched when it is needed."""
    for number in range(5):
        client.put("b", f"{number}", b"x")
    listing = client.list("b", page_size=2)
    assert next(listing).key == b"0"
    assert len([c for c in served.calls("GET") if "limit=2&" in c.raw_path]) == 1
    assert [e.key for e in listing] == [b"1", b"2", b"3", b"4"]
    assert len(client.page("b", limit=3, values=True).entries) == 3


def test_the_rest_of_the_calls_pass_through(client):
    """Batch, buckets, locate, ring."""
    assert isinstance(client.batch([Operation("put", "b", "k", b"v")])[0], Written)
    assert client.put_bucket("carts", n=3).name == "carts"
    assert client.bucket("carts").n == 3
    assert [b.name for b in client.buckets()] == ["carts"]
    client.delete_bucket("carts")
    with pytest.raises(BucketNotFound):
        client.bucket("carts")
    assert client.locate("b", "k").replicas
    assert client.ring().epoch == 1


def test_linearizable_keys(client, served):
    """Compare-and-set, resolve, and an update whose function runs in this thread, as often as it takes."""
    client.put_bucket("lin", mode="linearizable")
    made = client.cas("lin", "k", if_absent=True, set=b"1", idempotency_key="make-1")
    assert isinstance(client.cas("lin", "k", if_absent=True, set=b"2"), Conflict)
    assert client.resolve("lin", "k", "make-1").version == made.version == 1
    threads = []

    def change(value):
        threads.append(threading.current_thread())
        if len(threads) == 1:
            served.registers.put("lin", b"k", b"10")
        return value + b"!"

    assert client.update("lin", "k", change).version == 3
    assert threads == [threading.current_thread()] * 2
    assert client.get("lin", "k").value == b"10!"


def test_a_session_keeps_contexts(client, served):
    """As the asynchronous one."""
    session = client.session()
    session.put("b", "k", b"1")
    session.put("b", "k", b"2")
    assert session.get("b", "k").value == b"2"
    assert session.contexts.demanded("b", b"k") is not None
    session.delete("b", "k")
    assert isinstance(session.get("b", "k"), Missing)


def test_threads_share_a_client(client, served):
    """Each gets its own answers."""
    failures = []

    def work(number: int) -> None:
        for turn in range(10):
            key = f"{number}-{turn}"
            client.put("b", key, key.encode())
            if client.get("b", key).value != key.encode():
                failures.append(key)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(served.applied) == 40


def test_closing_ends_the_thread(served):
    """Twice is once, and a call afterwards says what is wrong."""
    client = Client(served.endpoints, timeout_s=WIDE_S)
    client.get("b", "k")
    assert "dynamo-client" in {t.name for t in threading.enumerate()}
    client.close()
    client.close()
    assert "dynamo-client" not in {t.name for t in threading.enumerate()}
    with pytest.raises(InvalidParameter, match="closed"):
        client.get("b", "k")


@pytest.mark.parametrize("writes", [False, True])
def test_closing_ends_the_calls_of_other_threads(writes):
    """Whoever waits for a node that says nothing is told; of a write that was sent nobody knows what became."""
    met: list[DynamoError] = []
    with socket.create_server(("127.0.0.1", 0)) as mute:
        client = Client([f"127.0.0.1:{mute.getsockname()[1]}"], timeout_s=WIDE_S, token_aware=False)

        def call() -> None:
            try:
                client.put("b", "k", b"x") if writes else client.get("b", "k")
            except DynamoError as error:
                met.append(error)

        caller = threading.Thread(target=call, daemon=True)
        caller.start()
        connection, _ = mute.accept()
        with connection:
            assert connection.recv(4)
            client.close()
            caller.join(10)
    assert not caller.is_alive()
    assert isinstance(met[0], OutcomeUnknown if writes else InvalidParameter)
    assert met[0].applied is (Applied.UNKNOWN if writes else Applied.NO)
    assert "closed" in met[0].detail


def test_a_fake_cluster_leaves_no_connection_behind():
    """Not even one that came in its last moment: unclosed, it would be held against a later test."""
    for _ in range(10):
        late = [socket.socket() for _ in range(9)]
        with in_thread() as cluster:
            ports = [node.port for node in cluster.nodes.values()]
            for index, connection in enumerate(late):
                connection.setblocking(False)
                connection.connect_ex(("127.0.0.1", ports[index % len(ports)]))
        for connection in late:
            connection.close()
    gc.collect()  # an unclosed transport warns here, and a warning fails the test
