"""Every test of a socket runs on both loops: they differ in when they write, pause and report a loss."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import pytest_asyncio
import uvloop

from tests.certificates import OPENSSL, Authority
from tests.unit.transport.wire import Cluster


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest_asyncio.fixture
async def cluster() -> AsyncIterator[Cluster]:
    """Makes listeners and peers, and stops them all at the end."""
    made = Cluster()
    yield made
    await made.stop()


@pytest.fixture
def events(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was logged so far, each with its facts; a traceback shows as the name of its exception."""
    caplog.set_level(logging.DEBUG, logger="dynamo")

    def said() -> list[str]:
        lines = []
        for record in caplog.records:
            facts = "".join(f" {name}={value}" for name, value in getattr(record, "dynamo_fields", {}).items())
            bug = f" {record.exc_info[0].__name__}" if record.exc_info and record.exc_info[0] else ""
            lines.append(f"{record.levelname.lower()} {record.getMessage()}{facts}{bug}")
        return lines

    return said


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if OPENSSL is None:
        pytest.skip("needs the openssl program")
    folder: Path = tmp_path_factory.mktemp("authority")
    return Authority(folder)
