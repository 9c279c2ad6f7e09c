"""The published contract and the running API say the same, and a stranger with a generator finds nothing else."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from openapi_spec_validator import validate

from dynamo.api.app import client_app, operations_app
from dynamo.errors import CATALOGUE
from dynamo.telemetry.metrics import SHED_REASONS
from dynamo.version import VERSION
from tests.api import real_nodes
from tests.api.fake_node import FakeNode
from tests.api.serving import fake_config

AT_START_ONLY = {"bad-config"}
METHODS = {"get", "head", "put", "post", "delete", "patch", "options", "trace"}
SETTINGS = Path(__file__).with_name("schemathesis.toml")


async def test_the_contract_is_published_and_valid(api):
    """OpenAPI 3.1, of this version, on the client listener."""
    reply = await api.call("GET", "/openapi.json")
    assert reply.headers["Content-Type"] == "application/json"
    validate(reply.json)
    assert reply.json["openapi"].startswith("3.1")
    assert reply.json["info"]["version"] == VERSION


async def test_routes_and_contract_are_the_same(fake):
    """No route without its entry, no entry without its route, method by method, for both listeners."""
    contract = (await fake.call("GET", "/openapi.json")).json
    written = {"client": set(), "operations": set()}
    for path, item in contract["paths"].items():
        listener = "operations" if "servers" in item else "client"
        written[listener] |= {(method.upper(), path) for method in item if method in METHODS}
    node = FakeNode(fake_config())
    assert set(client_app(node).table()) == written["client"]
    assert set(operations_app(node).table()) == written["operations"]


async def test_every_code_is_in_the_contract(fake):
    """The catalogue's codes that an answer can carry, no more and no fewer."""
    contract = (await fake.call("GET", "/openapi.json")).json
    assert set(contract["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]) == (
        set(CATALOGUE) - AT_START_ONLY
    )


async def test_every_error_is_in_the_manual():
    """The table of docs/api.md names each code with its status and with what it means for the data."""
    text = (Path(__file__).parents[2] / "docs/api.md").read_text()
    rows = dict.fromkeys(re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \|.*\| (no|unknown) \|$", text, re.MULTILINE))
    kinds = (kind for code, kind in CATALOGUE.items() if code not in AT_START_ONLY)
    assert sorted(rows) == sorted((kind.code, str(kind.http_status), kind.applied.value) for kind in kinds)


async def test_every_reason_to_refuse_is_written_down(fake):
    """Those that an answer names: in the contract, and in the manual's row of `overloaded`."""
    told = {*SHED_REASONS} - {"draining", "connections"}  # a code of its own; nobody was there to be told
    contract = (await fake.call("GET", "/openapi.json")).json
    assert set(contract["components"]["schemas"]["Problem"]["properties"]["reason"]["enum"]) == told
    text = (Path(__file__).parents[2] / "docs/api.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| `overloaded` |"))
    assert told <= set(re.findall(r"`([a-z-]+)`", row.partition("with `reason`:")[2]))


async def test_the_page_needs_nothing_from_elsewhere(api):
    """Every operation is on it; no script, no address of another host."""
    reply = await api.call("GET", "/docs")
    assert reply.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
    text = reply.body.decode()
    contract = (await api.call("GET", "/openapi.json")).json
    for path, item in contract["paths"].items():
        for method in METHODS & set(item):
            assert f"{method.upper()} {path}</h2>" in text
    assert "<script" not in text
    assert "http" not in text.replace("http-equiv", "")


@pytest.fixture(scope="module")
def generated_on(tmp_path_factory):
    """Nodes of their own: generated requests make, change and drop buckets of any name."""
    with real_nodes.running(tmp_path_factory.mktemp("generated")) as ports:
        yield ports


@pytest.mark.parametrize(
    ("ops", "paths", "phases"),
    [
        (False, "^/(v1|openapi|docs)", "examples,coverage,fuzzing,stateful"),
        (True, "^/(livez|readyz|metrics|version|admin)", "examples,coverage"),
    ],
)
def test_generated_requests_keep_to_the_contract(generated_on, tmp_path, ops: bool, paths: str, phases: str):
    """Schemathesis: valid, invalid, extreme and chained requests to a real node get what the contract declares."""
    _generate(generated_on[0], tmp_path, ops, paths, phases, SETTINGS)


def test_generated_requests_meet_a_linearizable_bucket(generated_on, tmp_path):
    """The same where keys are concerned, all in one bucket of that mode; some of its changes are applied."""
    client_port, ops_port = generated_on[0]
    made = Request(
        f"http://127.0.0.1:{client_port}/v1/buckets/lin",
        b'{"mode":"linearizable"}',
        {"Content-Type": "application/json"},
        method="PUT",
    )
    with urlopen(made, timeout=10) as answer:
        assert answer.status == 201
    settings = tmp_path / "settings.toml"
    settings.write_text(f'{SETTINGS.read_text()}\n[parameters]\n"path.bucket" = "lin"\n')
    paths = "^/v1/(kv|cas|resolve)/"
    _generate(generated_on[0], tmp_path, False, paths, "examples,coverage,fuzzing", settings)
    with urlopen(f"http://127.0.0.1:{ops_port}/metrics", timeout=10) as answer:
        page = answer.read().decode()
    for op in ("cas", "put", "delete", "get"):
        series = f'dynamo_requests_total{{op="{op}",consistency="linearizable",outcome="ok"}}'
        assert next(float(line.split()[-1]) for line in page.splitlines() if line.startswith(series)) > 0, op


def _generate(ports: tuple[int, int], folder: Path, ops: bool, paths: str, phases: str, settings: Path) -> None:
    """Ends with the cases that the settings ask for, however long these take here."""
    client_port, ops_port = ports
    command = [
        *(Path(sys.executable).with_name("schemathesis"), "--config-file", str(settings), "run"),
        f"http://127.0.0.1:{client_port}/openapi.json",
        *("--url", f"http://127.0.0.1:{ops_port if ops else client_port}"),
        *("--include-path-regex", paths, "--phases", phases),
        *("--checks", "all", "--no-color"),
    ]
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=110, check=False)
    assert finished.returncode == 0, finished.stdout[-6000:] + finished.stderr[-2000:]
    made = re.search(r"(\d+) generated", finished.stdout)
    assert made is not None, finished.stdout
    assert int(made[1]) > 50
