"""`pytest tests/scenarios --rewrite` writes what the machines do now into the transcripts, to be read in the diff."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite", action="store_true", help="write the machines' present output into the transcripts")


@pytest.fixture
def rewrite(request: pytest.FixtureRequest) -> bool:
    """Whether transcripts are written instead of compared; never when this folder was not named on the command line."""
    return bool(request.config.getoption("rewrite", default=False))
