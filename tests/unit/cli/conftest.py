import io
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from dynamo.cli.main import main
from tests.unit.client.fake_cluster import FakeCluster, in_thread
from tests.unit.client.patience import WIDE_S, allow_retries, widen


@dataclass
class Result:
    """What a command line came to."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()


Cli = Callable[..., Result]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    """No setting of the desk reaches a test."""
    for name in list(os.environ):
        if name.startswith("DYNAMO_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def patient(clean_environment, monkeypatch) -> None:
    """No deadline passes because the machine is busy, unless a test sets one itself."""
    widen(monkeypatch)
    monkeypatch.setenv("DYNAMO_TIMEOUT", f"{WIDE_S:.0f}s")


@pytest.fixture
def retries(monkeypatch) -> Callable[[int], None]:
    """Say how many retries a client has: a call that must fail runs out of them, instead of time."""
    return lambda count: allow_retries(monkeypatch, count)


@pytest.fixture
def cli(capsysbinary, monkeypatch) -> Cli:
    """Runs a command line in this process, without a cluster unless `served` is used as well."""

    def run(*words: object, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = main([str(word) for word in words])
        sys.stdout.flush()
        captured = capsysbinary.readouterr()
        return Result(code, captured.out, captured.err.decode())

    return run


@pytest.fixture
def served(monkeypatch) -> Iterator[FakeCluster]:
    """A fake cluster that the command line finds by its environment."""
    with in_thread() as cluster:
        monkeypatch.setenv("DYNAMO_ENDPOINTS", ",".join(cluster.endpoints))
        yield cluster
