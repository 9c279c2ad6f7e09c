"""`make observe`: a cluster that is worth looking at, and everything that looks at it, until Ctrl-C.

Five nodes far from each other, so that messages between them take their time (`load/distant_nodes.py`); the load
generator, which reads at all levels and knows the truth about staleness; a real Prometheus with the rules as they are.
All are processes of this one, on loopback, with their data in a temporary folder. A node that somebody kills is news
and not the end: that is what one wants to look at.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from dashboards.chart import Query
from dashboards.levels import P99
from dashboards.overview import STALE
from dynamo.load.distant_nodes import DistantNodes
from dynamo.workload.processes import Child, ServerFailed, free_ports, is_free
from dynamo.workload.systems import asked

RULES = Path(__file__).parent / "prometheus"
MISSING = "prometheus is not in PATH. On Debian: apt-get install prometheus"
REPLICAS = 3
SCRAPE_S = 2
RUN_S = 600.0
"""Of one run of the load generator, which keeps what it has seen; the next one follows at once."""
LOOK_EVERY_S = 0.2
BUCKET = "observed"
CLUSTER = "local"
SETTINGS = "[pbs]\nperiod_s = 10.0\n"
LOAD = "--records 100 --read-levels one=2,quorum,all --write-levels quorum=3,all"
"""Writes at quorum and above, so that reads at quorum and above must not be stale, and an alert says if they are."""
MIX = """[operations]
get = 70
insert = 25
put = 5
[keys]
chooser = "latest"
[values]
sizes = "100"
"""
"""What was written just now is read, and hardly ever written by two at the same time: of such writes a node may hold
one to be missed that the load generator does not."""


class Observed:
    """All processes, between `with` and its end."""

    def __init__(self, folder: Path, nodes: int, step_ms: int, rate: int, prometheus: str) -> None:
        self._folder = folder
        self._rate = rate
        self._runs = 0
        self._prometheus = prometheus
        (folder / "mix.toml").write_text(MIX)
        self.nodes = DistantNodes(folder, nodes, min(REPLICAS, nodes), step_ms)
        self.nodes.settings = SETTINGS
        self.load_port, self.prometheus_port = free_ports(2)
        if is_free(9090):
            self.prometheus_port = 9090
        self._started = contextlib.ExitStack()
        self.scraper: Child | None = None
        self.load: Child | None = None

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.nodes)
            wanted = {"n": REPLICAS, "mode": "lww", "staleness_sample": 1.0}
            asked(self.nodes.endpoints[0][1], "PUT", f"/v1/buckets/{BUCKET}", wanted)
            self.scraper = self._scraper()
            stack.callback(self.scraper.stop)
            self.scraper.wait_until_ready(self.prometheus_port, "/-/ready")
            self._started = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        if self.load is not None:
            self.load.stop()
        self._started.close()

    def put_load(self, seconds: float) -> None:
        """Start a run of the load generator, on keys of its own."""
        self._runs += 1
        endpoints = ",".join(f"{host}:{port}" for host, port in self.nodes.endpoints)
        words = ["--endpoints", endpoints, "--bucket", BUCKET, "--rate", str(self._rate), *LOAD.split()]
        words += ["--duration", f"{seconds:.3f}s", "--warm-up", "0s", "--prometheus", str(self.load_port)]
        words += ["--mix", str(self._folder / "mix.toml"), "--prefix", f"run{self._runs}-"]
        words += ["--save", str(self._folder / "load.json"), "--no-verify"]
        command = [sys.executable, "-m", "dynamo", "bench", "run", *words]
        self.load = Child("load generator", command, self._folder / "load.log")

    def addresses(self) -> dict[str, Any]:
        """Where everything can be looked at, and as which process it runs."""
        assert self.scraper is not None
        assert self.load is not None
        pages = zip(self.nodes.names, self.nodes.endpoints, self.nodes.operations, self.nodes.pids, strict=True)
        return {
            "prometheus": f"http://127.0.0.1:{self.prometheus_port}",
            "load": f"http://127.0.0.1:{self.load_port}/metrics",
            "nodes": {
                name: {"clients": f"http://127.0.0.1:{port}", "operations": f"http://127.0.0.1:{ops}", "pid": pid}
                for name, (_, port), (_, ops), pid in pages
            },
            "pids": [*self.nodes.pids, *self.nodes.links_pids, self.scraper.pid, self.load.pid],
        }

    def _scraper(self) -> Child:
        file = self._folder / "prometheus.yml"
        # JSON is YAML.
        file.write_text(json.dumps(configuration([port for _, port in self.nodes.operations], self.load_port)))
        words = [f"--config.file={file}", f"--storage.tsdb.path={self._folder / 'prometheus'}"]
        words.append(f"--web.listen-address=127.0.0.1:{self.prometheus_port}")
        return Child("prometheus", [self._prometheus, *words], self._folder / "prometheus.log")


def configuration(operations: Sequence[int], load_port: int) -> dict[str, object]:
    """What Prometheus is told: whom to ask, by which rules to judge."""

    def job(name: str, ports: Sequence[int]) -> dict[str, object]:
        targets = [f"127.0.0.1:{port}" for port in ports]
        return {"job_name": name, "static_configs": [{"targets": targets, "labels": {"cluster": CLUSTER}}]}

    return {
        "global": {"scrape_interval": f"{SCRAPE_S}s", "evaluation_interval": f"{SCRAPE_S}s"},
        "rule_files": [str(RULES / name) for name in ("recording.yml", "alerts.yml")],
        "scrape_configs": [job("dynamo", operations), job("dynamo-load", [load_port])],
    }


def main(arguments: list[str]) -> int:
    """0: ended as asked; 1: something did not start, or Prometheus ended; 2: usage, Prometheus missing included."""
    options = _parser().parse_args(arguments)
    prometheus = shutil.which("prometheus")
    if prometheus is None:
        _note(MISSING)
        return 2
    try:
        with _told_to_end(), tempfile.TemporaryDirectory(prefix="dynamo-observe-") as folder:
            _note(f"Starting {options.nodes} nodes, the first two {options.delay_ms} ms apart, and Prometheus")
            with Observed(Path(folder), options.nodes, options.delay_ms, options.rate, prometheus) as observed:
                _go_on(observed, options.duration, as_json=options.json)
    except KeyboardInterrupt:
        _note("All processes were ended.")
    except ServerFailed as problem:
        _note(str(problem))
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make observe OBSERVE_ARGS=", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--nodes", type=int, default=5, help="how many (5)")
    parser.add_argument(
        "--delay-ms",
        type=int,
        default=5,
        help="from the first node to the second; each next one is twice as far (5)",
    )
    parser.add_argument("--rate", type=int, default=100, help="operations a second (100)")
    parser.add_argument("--duration", type=float, metavar="SECONDS", help="end by itself after so long under load")
    parser.add_argument("--json", action="store_true", help="print the addresses as JSON")
    return parser


@contextlib.contextmanager
def _told_to_end() -> Iterator[None]:
    """A termination signal ends it as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _go_on(observed: Observed, duration_s: float | None, *, as_json: bool) -> None:
    """Keep the load up until the time is over. Raises ServerFailed."""
    until = None if duration_s is None else time.monotonic() + duration_s
    left_s = RUN_S if duration_s is None else duration_s
    observed.put_load(min(left_s, RUN_S))
    _say(observed, as_json=as_json)
    gone: set[str] = set()
    while left_s > 0:
        time.sleep(LOOK_EVERY_S)
        left_s = RUN_S if until is None else until - time.monotonic()
        _look(observed, gone)
        if observed.load is not None and observed.load.exit_code is not None and left_s > 0:
            observed.put_load(min(left_s, RUN_S))


def _look(observed: Observed, gone: set[str]) -> None:
    """Tell of nodes that have ended. Raises ServerFailed if what looks at them has.

    A load that was not to be believed, or met no node, is no reason to end.
    """
    for child in observed.nodes.children:
        if child.exit_code is not None and child.name not in gone:
            gone.add(child.name)
            _note(f"{child.name} ended with {child.exit_code}")
    for each in (observed.scraper, observed.load):
        if each is not None and each.exit_code in (1, 2):
            raise ServerFailed(f"{each.name} ended with {each.exit_code}\n{each.log_tail()}")


def _say(observed: Observed, *, as_json: bool) -> None:
    found = observed.addresses()
    if as_json:
        print(json.dumps(found), flush=True)  # noqa: T201 - the answer of this command
        return
    console = f"{found['nodes'][observed.nodes.names[0]]['operations']}/console"
    lines = [f"Prometheus      {found['prometheus']}", f"load generator  {found['load']}", f"console         {console}"]
    for name, each in found["nodes"].items():
        lines.append(f"{name:<14}  clients {each['clients']}  operations {each['operations']}  process {each['pid']}")
    lines += ["", "Look at:"]
    for text, expr in (("stale share by level", STALE), ("99th percentile of reads", P99)):
        lines.append(f"  {text}\n    {graph(observed.prometheus_port, expr)}")
    lines += ["", "Kill a node and see what each level does. Ctrl-C ends everything."]
    print("\n".join(lines), flush=True)  # noqa: T201 - the same


def graph(port: int, expr: str) -> str:
    """The address at which Prometheus draws a board's query."""
    promql = Query(expr, "").promql.replace("$__rate_interval", f"{8 * SCRAPE_S}s").replace("$cluster", CLUSTER)
    return f"http://127.0.0.1:{port}/graph?" + urlencode({"g0.expr": promql, "g0.tab": 0, "g0.range_input": "5m"})


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - the same


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
