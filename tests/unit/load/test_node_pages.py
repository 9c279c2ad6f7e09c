import http.server
import json
import threading
import time

import msgspec

from dynamo.load import node_pages as module
from dynamo.load.node_pages import HintWatch, NodePages, averaged
from dynamo.telemetry.pbs import Curve
from dynamo.telemetry.prediction import Prediction, quorum_prediction
from dynamo.workload.processes import free_ports

PAGE = b"""# HELP dynamo_pending_hints Hints kept for the peer.
dynamo_pending_hints{peer="node2"} 3
dynamo_pending_hints{peer="node3"} 4
dynamo_pending_hints_bytes{peer="node2"} 900
dynamo_read_repairs_total{trigger="before_answer"} 1
dynamo_read_repairs_total{trigger="after_answer"} 2
dynamo_hints_total{event="created"} 50
dynamo_hints_total{event="delivered"} 40
dynamo_repair_keys_total{result="repaired"} 6
dynamo_repair_keys_total{result="failed"} 1
"""
WAIT_S = 10.0


def prediction(*needs: float, replicas: int = 2) -> dict:
    """What a node says that has drawn these trials."""
    quorum = quorum_prediction(Curve(needs), (1, 1), replicas)
    return msgspec.to_builtins(Prediction(0, replicas, len(needs), 99, [quorum]))


PREDICTED = json.dumps({"node": "node1", "prediction": prediction(0.0, 0.05)}).encode()


class _Operations(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        page = PREDICTED if self.path == "/admin/v1/pbs" else PAGE
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *arguments) -> None:
        """Silent."""


def test_what_nodes_say_of_themselves(monkeypatch):
    """Repairs by who made them, hints that wait, over all nodes; one that is away counts nothing."""
    monkeypatch.setattr(module, "EVERY_S", 0.01)
    (nobody,) = free_ports(1)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Operations) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        here = server.server_address[:2]
        pages = NodePages([here, ("127.0.0.1", nobody), here])
        assert pages.repairs() == {"read repair": 6.0, "hints": 80.0, "anti-entropy": 12.0}
        assert pages.pending_hints() == 14.0
        (one_one,) = pages.predicted(2)
        assert (one_one.read_replies, one_one.write_acks, one_one.nodes) == (1, 1, 2)
        assert [one_one.fresh(after_s) for after_s in (0.0, 0.1)] == [0.5, 1.0]
        assert pages.predicted(3) == []
        watch = HintWatch(pages, time.monotonic())
        watch.start()
        deadline = time.monotonic() + WAIT_S
        while len(watch.seen) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        watch.stop()
        server.shutdown()
        thread.join()
    assert {hints for _, hints in watch.seen} == {14.0}


def test_predictions_are_averaged():
    """Time by time, for each quorum by itself; of no node there is nothing."""
    (found,) = averaged([prediction(0.0, 0.05), prediction(0.0, 0.0), prediction(0.05, 0.05)])
    assert (found.fresh(0.0), found.nodes) == (0.5, 3)
    assert averaged([]) == []
