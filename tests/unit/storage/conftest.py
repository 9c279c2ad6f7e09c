"""Stores for the tests of this folder, closed in any case."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.contract.lmdb_rig import LmdbRig
from tests.contract.log_rig import KernelRig, LogRig


@pytest.fixture(params=[LmdbRig, LogRig, KernelRig], ids=["lmdb", "log", "kernel"])
def new_rig(request, tmp_path) -> Iterator[Callable[..., LmdbRig]]:
    """Opens stores on the same data; the last one is closed in any case."""
    rigs: list[LmdbRig] = []

    def new(**options: object) -> LmdbRig:
        for rig in rigs:
            rig.close()
        rigs.append(request.param(tmp_path / "data", **options))
        return rigs[-1]

    yield new
    for rig in rigs:
        rig.close()


@pytest.fixture
def rig(new_rig) -> LmdbRig:
    return new_rig()


@pytest.fixture
def lazy_rig(new_rig) -> LmdbRig:
    return new_rig(lazy=True)
