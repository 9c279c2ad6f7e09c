import http.server
import threading
import time
from typing import ClassVar

from dynamo.load.agreement import EVERY_S, Onlooker, agree, busiest
from dynamo.workload.mixes import Keys, Mix
from dynamo.workload.processes import free_ports
from tests.unit.load.stage import plan

WAIT_S = 10.0


def test_what_agreement_is():
    """The same versions everywhere; who does not answer agrees with nobody."""
    assert agree(['"a"', '"a"'])
    assert agree(["", ""])
    assert not agree(['"a"', '"b"'])
    assert not agree(['"a"', None])
    assert not agree([None, None])


def test_the_busiest_keys_are_looked_at():
    """Those that the plan's own chooser draws most often."""
    mix = Mix(operations={"get": 1}, keys=Keys("hotspot", hot_data=0.1))
    assert sorted(busiest(plan(mix=mix), 5)) == [0, 1, 2, 3, 4]


class _Replica(http.server.BaseHTTPRequestHandler):
    tags: ClassVar[dict[int, str]] = {}

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("ETag", self.tags[self.server.server_port])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments) -> None:
        """Silent."""


def test_replicas_that_come_to_agree():
    """First they differ, then they are the same; repairs, and how long a key differs, are counted from the heal on."""
    servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Replica) for _ in range(2)]
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()
    ports = [server.server_port for server in servers]
    _Replica.tags = {ports[0]: '"new"', ports[1]: '"old"'}
    repairs = {"hints": 10.0}
    endpoints = [("127.0.0.1", port) for port in ports]
    onlooker = Onlooker(plan(endpoints=endpoints, records=3), time.monotonic(), lambda: dict(repairs))
    onlooker.look()
    deadline = time.monotonic() + WAIT_S
    while not onlooker.seen:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    repairs["hints"] = 13.0
    _Replica.tags[ports[1]] = '"new"'
    while onlooker.seen[-1].agreed < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    onlooker.stop()
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        thread.join()
        server.server_close()
    assert (onlooker.seen[0].agreed, onlooker.seen[0].keys) == (0, 3)
    assert onlooker.seen[-1].fixed == {"hints": 3.0}
    ages = [each.oldest_s for each in onlooker.seen if each.agreed < 3]
    assert ages == sorted(ages)
    assert ages[0] >= EVERY_S
    assert onlooker.seen[-1].oldest_s == 0.0


def test_a_node_that_is_away_agrees_with_nobody():
    """And does not end the looking."""
    (port,) = free_ports(1)
    onlooker = Onlooker(plan(endpoints=[("127.0.0.1", port)], records=2), 0.0, None)
    onlooker.look()
    deadline = time.monotonic() + WAIT_S
    while not onlooker.seen:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    onlooker.stop()
    assert onlooker.seen[0].agreed == 0
