import io
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from dynamo.cli.main import main
from tests.unit.client.fake_cluster import FakeCluster, in_thread


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
