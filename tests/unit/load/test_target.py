import http.server
import json
import threading
from typing import ClassVar

import pytest

from dynamo.errors import InvalidParameter
from dynamo.load import target
from dynamo.load.memory_store import Store
from dynamo.workload.processes import free_ports
from tests.unit.client.fake_cluster import in_thread
from tests.unit.load.stage import listening, plan


def test_addresses_are_read():
    """With their ports, the usual one where none is named, IPv6 in brackets."""
    assert target.addresses("a:1, b,[::1]:3") == [("a", 1), ("b", 7610), ("::1", 3)]
    with pytest.raises(InvalidParameter):
        target.addresses("a:x")


def test_a_bucket_is_taken_as_it_is():
    """Its mode and n decide; another mode than the mix needs is refused."""
    with listening(Store()) as port:
        where = [("127.0.0.1", port)]
        assert target.bucket(where, "load", "", None) == target.Bucket("load", "lww", 3)
        with pytest.raises(target.Unsuitable, match="of mode lww, and linearizable is needed"):
            target.bucket(where, "load", "linearizable", None)


class _Buckets(http.server.BaseHTTPRequestHandler):
    """A node that knows no bucket, refuses the first request as it is not ready, and one bucket for its name."""

    asked: ClassVar[list[tuple[str, bytes]]] = []

    def do_GET(self) -> None:
        self.answer(404, b"{}")

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append((self.path, body))
        if len(self.asked) == 1:
            self.answer(503, b'{"code":"not-ready"}')
        elif self.path.endswith("/a%20b%2Fc"):
            self.answer(400, b'{"code":"invalid-bucket-name"}')
        else:
            self.answer(200, b'{"name":"new","mode":"siblings","n":2}')

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments) -> None:
        """Silent."""


def test_a_bucket_is_made_where_there_is_none():
    """As it is wanted; a cluster that is not ready yet is waited for, one that refuses it is not."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Buckets) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        made = target.bucket([server.server_address[:2]], "new", "siblings", 2)
        with pytest.raises(target.Unsuitable, match=r"status 400: .*invalid-bucket-name"):
            target.bucket([server.server_address[:2]], "a b/c", "siblings", 2)
        server.shutdown()
        thread.join()
    assert made == target.Bucket("new", "siblings", 2)
    assert [json.loads(body) for _, body in _Buckets.asked] == [{"mode": "siblings", "n": 2}] * 3


def test_nobody_there():
    """Is said with the address."""
    (port,) = free_ports(1)
    with pytest.raises(target.Unreachable, match=f"127.0.0.1:{port}"):
        target.bucket([("127.0.0.1", port)], "load", "", None)


def test_keys_have_the_owners_that_the_ring_says():
    """Each key at most once, at an endpoint of the list; all of them where the list has all nodes."""
    with in_thread() as cluster:
        endpoints = target.addresses(",".join(cluster.endpoints))
        found = target.owners(plan(endpoints=endpoints, records=60))
        assert sorted(key for keys in found.values() for key in keys) == list(range(60))
        assert len(found) > 1
        some = target.owners(plan(endpoints=endpoints[:1], records=60))
        assert some == {0: found[0]}
