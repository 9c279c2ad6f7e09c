import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from dynamo.workload import processes
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


def listening(port: int) -> socket.socket:
    """As servers bind: connections that have just ended at this port are no hindrance."""
    return socket.create_server(("127.0.0.1", port))


def test_free_ports_are_free_and_different():
    """A port that somebody has is not among them."""
    with listening(free_ports(1)[0]) as taken:
        ports = free_ports(50)
        assert taken.getsockname()[1] not in ports
    assert len(set(ports)) == 50
    for port in ports:
        listening(port).close()


def test_nobody_else_is_given_the_same_ports():
    """Also no other process, though nobody listens on them yet."""
    code = "from dynamo.workload.processes import free_ports; print(*free_ports(20))"
    others = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    given = [int(port) for other in others for port in other.communicate(timeout=30)[0].split()] + free_ports(20)
    assert len(set(given)) == 60


def test_ports_begin_anew_after_the_last(tmp_path, monkeypatch):
    """Or where something else stands in the file of turns."""
    monkeypatch.setattr(processes, "PORTS", ports := free_ports(3))
    monkeypatch.setattr(processes.tempfile, "gettempdir", lambda: str(tmp_path))
    assert [free_ports(2), free_ports(2)] == [ports[:2], [ports[2], ports[0]]]
    (tmp_path / f"dynamo-ports-{os.getuid()}").write_text("gone wrong")
    assert free_ports(1) == ports[:1]
    with pytest.raises(ServerFailed, match="no 4 free ports"):
        free_ports(4)
