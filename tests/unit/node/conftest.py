import pytest

from tests.unit.node.lone import Lone


@pytest.fixture
def lone() -> Lone:
    return Lone()
