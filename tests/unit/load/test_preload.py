from dynamo.load.levels import weighted
from dynamo.load.lines import Lines
from dynamo.load.memory_store import Store
from dynamo.load.preload import ATTEMPTS, Preload, keys_of, sizes_of
from dynamo.load.requests import Requests
from dynamo.load.values import Values
from tests.unit.load.stage import listening, plan


def loaded(store: Store, part: int = 0, parts: int = 1, **more) -> Preload:
    with listening(store) as port:
        asked = plan(endpoints=[("127.0.0.1", port)], **more)
        preload = Preload(asked, keys_of(asked, part, parts), sizes_of(asked), None)

        def answered(line, status, head, body) -> None:
            preload.answered(lines, line, status, head, body)

        lines = Lines(asked.endpoints, 4, answered, preload.lost)
        lines.open()
        preload.run(lines, lambda *_: None)
        lines.close()
    return preload


class Refusing(Store):
    """Refuses the first writes of one key, or all of them."""

    def __init__(self, times: int, key: int) -> None:
        super().__init__()
        self.left = times
        self.path = f"/v1/kv/load/{Requests(plan()).key(key)}".encode()

    def put(self, path, value):
        if path == self.path and self.left:
            self.left -= 1
            return b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 9\r\n\r\nnot ready"
        return super().put(path, value)


class Forgetful(Store):
    """Shows an older value of one key until it is written twice."""

    def __init__(self) -> None:
        super().__init__()
        self.puts = 0

    def put(self, path, value):
        if path.endswith(b"00000003"):
            self.puts += 1
            if self.puts == 1:
                return super().put(path, Values(6).make(3, 0, 0, 30))
        return super().put(path, value)


def test_every_key_is_written_and_read_back():
    """Each of the worker's own, once."""
    store = Store()
    preload = loaded(store)
    assert (preload.problem, preload.written, preload.verified, store.reads) == ("", 50, 50, 50)
    assert loaded(Store(), 1, 4).written == 13
    unverified = loaded(Store(), verifies=False)
    assert (unverified.written, unverified.verified) == (50, 0)


def test_what_is_refused_is_tried_again():
    """A few times; then the preload has failed, and says where and why."""
    assert loaded(Refusing(2, 3), records=5).problem == ""
    preload = loaded(Refusing(ATTEMPTS, 3), records=5)
    assert preload.problem == "key load-00000003: status 503: not ready"


def test_what_an_earlier_run_left_is_written_over():
    """The key is written again where another value is read."""
    store = Forgetful()
    preload = loaded(store, records=5, writes=weighted("quorum"))
    assert (preload.problem, preload.verified, store.puts) == ("", 5, 2)
