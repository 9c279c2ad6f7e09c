"""A pytest plugin that takes a mechanism out of order for a whole run: `-p tests.mutants.plugin --mutant NAME`."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.mutants.catalogue import MUTANTS

_stack = ExitStack()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--mutant", choices=[mutant.name for mutant in MUTANTS], help="mechanism to take out of order")


def pytest_configure(config: pytest.Config) -> None:
    name = config.getoption("--mutant")
    for mutant in MUTANTS:
        if mutant.name == name:
            _stack.enter_context(mutant.take_out())


def pytest_unconfigure() -> None:
    _stack.close()
