"""A stand-in for a node process: takes `serve`'s arguments, answers /readyz, ends as it is told.

Its behaviour is read from a file `behaviour` beside its configuration: ready, never-ready, dies, stubborn.
"""

import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from dynamo.cli.serve import stop_with
from dynamo.config_load import load


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    # Held back and waited for: a handler written in Python does not run if its signal comes just before the main thread
    # blocks on a lock, and the process would stay.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    stop_with(int(sys.argv[sys.argv.index("--parent") + 1]))
    config_file = Path(sys.argv[sys.argv.index("--config") + 1])
    config = load(config_file, {})
    told = config_file.with_name("behaviour")
    behaviour = told.read_text() if told.exists() else "ready"
    say(f"{config.node.id} begins {sys.argv[1:]}")
    if behaviour == "dies":
        say("cannot go on")
        return 9

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503 if behaviour == "never-ready" else 200)
            self.end_headers()
            self.wfile.write(b'{"reasons": ["no quorum"]}')

        def log_message(self, *_: object) -> None:
            """Keep the log for what the tests look at."""

    server = HTTPServer((config.listen.ops_host, config.member.ops_port), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    signal.sigwait({signal.SIGTERM})
    while behaviour == "stubborn":
        signal.sigwait({signal.SIGTERM})
    say(f"{config.node.id} ends")
    return 0


if __name__ == "__main__":
    sys.exit(main())
