import os
import signal
import socket
import sys
import time

import pytest

from dynamo.workload.processes import Child, ServerFailed, free_ports, pinned, status_of

SERVE = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_GET(self):
        Handler.asked += 1
        self.send_response(200 if self.path == "/ready" and Handler.asked > 2 else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()
print("listening")
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
STUBBORN = (
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(600)"
)


def child(tmp_path, code: str, *arguments: object, **options: object) -> Child:
    return Child("server", [sys.executable, "-c", code, *map(str, arguments)], tmp_path / "server.log", **options)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_server_is_waited_for_until_it_says_200(tmp_path):
    """Refused connections and 503 are not yet; stopped, it is gone."""
    (port,) = free_ports(1)
    server = child(tmp_path, SERVE, port)
    try:
        server.wait_until_ready(port, "/ready")
        assert status_of(port, "/ready") == 200
        assert status_of(port, "/other") == 503
    finally:
        server.stop()
    assert gone(server.pid)
    assert isinstance(status_of(port, "/ready"), str)


def test_a_server_that_ends_at_once_says_why(tmp_path):
    """Its exit code and its last words are in the error, without waiting for the timeout."""
    (port,) = free_ports(1)
    started = time.monotonic()
    server = child(tmp_path, "raise SystemExit('no disk here')")
    with pytest.raises(ServerFailed, match=r"(?s)server ended with code 1.*no disk here"):
        server.wait_until_ready(port, "/ready", timeout_s=30)
    assert time.monotonic() - started < 15
    server.stop()


def test_a_server_that_is_never_ready_is_given_up(tmp_path):
    """With what it answered instead."""
    (port,) = free_ports(1)
    server = child(tmp_path, SERVE, port)
    try:
        with pytest.raises(ServerFailed, match=r"not ready after 1\.5 s"):
            server.wait_until_ready(port, "/never", timeout_s=1.5)
    finally:
        server.stop()


def test_who_does_not_listen_is_killed(tmp_path):
    """A server that ignores the request to end is gone after the grace time."""
    server = child(tmp_path, STUBBORN)
    deadline = time.monotonic() + 20
    while "deaf" not in server.log_tail():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    server.stop(grace_s=0.2)
    assert gone(server.pid)
    assert server.exit_code == -signal.SIGKILL


def test_settings_of_servers_are_not_inherited(tmp_path, monkeypatch):
    """A run measures what its own files say; what is given stays."""
    monkeypatch.setenv("DYNAMO__STORAGE__DURABILITY", "async")
    monkeypatch.setenv("ETCD_UNSAFE_NO_FSYNC", "true")
    monkeypatch.setenv("KEPT", "yes")
    code = "import os; print(sorted(n for n in os.environ if n[:4] in ('DYNA', 'ETCD', 'KEPT', 'MINE')))"
    server = child(tmp_path, code, environment={"MINE": "1"})
    server.wait(20)
    assert server.log_tail() == "['KEPT', 'MINE']\n"


def test_a_pinned_server_runs_on_its_core(tmp_path):
    """It and its threads; this process stays where it was."""
    before = os.sched_getaffinity(0)
    core = max(before)
    server = child(tmp_path, "import os; print(os.sched_getaffinity(0))", core=core)
    server.wait(20)
    assert server.log_tail() == f"{{{core}}}\n"
    assert os.sched_getaffinity(0) == before
    with pinned(core):
        assert os.sched_getaffinity(0) == {core}
    with pinned(None):
        assert os.sched_getaffinity(0) == before


def test_free_ports_are_free_and_different():
    """A port that somebody has is not among them."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_ports(1)[0]))
        taken.listen()
        ports = free_ports(50)
        assert taken.getsockname()[1] not in ports
    assert len(set(ports)) == 50
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
