"""Operations listeners that stand in for a cluster's nodes.

The command line runs in the test's process and asks real sockets: what is played is only what each node answers. The
members are told as every listener tells them, so that a command finds all nodes by the address of one.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

CLUSTER = "/admin/v1/cluster"


class OperationsNodes:
    """A listener for each name. A subclass says in `answer` what the nodes do."""

    def __init__(self, *names: str) -> None:
        self.servers = {name: ThreadingHTTPServer(("127.0.0.1", 0), self._handler(name)) for name in names}

    @property
    def ops(self) -> str:
        """Where the first node listens."""
        return f"127.0.0.1:{next(iter(self.servers.values())).server_port}"

    def answer(self, node: str, method: str, path: str) -> tuple[int, object]:
        """Status and document for one request to one node; not asked for the members."""
        raise NotImplementedError

    def kill(self, name: str) -> None:
        """From now on its port is closed. May be called twice."""
        self.servers[name].shutdown()
        self.servers[name].server_close()

    @contextmanager
    def listening(self) -> Iterator[Self]:
        """All of them serve, each in a thread of its own, until the end of the block."""
        threads = [
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            for server in self.servers.values()
        ]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            for name in self.servers:
                self.kill(name)
            for thread in threads:
                thread.join()

    def _answer(self, node: str, method: str, path: str) -> tuple[int, object]:
        if path.partition("?")[0] == CLUSTER:
            nodes = [{"id": n, "host": "127.0.0.1", "ops_port": s.server_port} for n, s in self.servers.items()]
            return 200, {"nodes": nodes}
        return self.answer(node, method, path)

    def _handler(self, name: str) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = outer._answer(name, self.command, self.path)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *_: object) -> None:
                """Keep standard error for the command."""

        return Handler
