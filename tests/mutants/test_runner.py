"""The command tells a mutant that is noticed from one that is not."""

from contextlib import nullcontext

import pytest

from tests.mutants.__main__ import main, verdict
from tests.mutants.catalogue import MUTANTS, Mutant


def test_a_row_is_killed_by_its_tests():
    """The first of the catalogue, for real."""
    killed, line = verdict(MUTANTS[0])
    assert killed
    assert line.startswith("killed")


def test_what_changes_nothing_survives():
    """A row under whose name nothing is taken out leaves its tests passing, and is reported."""
    idle = Mutant(MUTANTS[1].name, "takes out something else", nullcontext, MUTANTS[0].tests)
    killed, line = verdict(idle)
    assert not killed
    assert line.startswith("SURVIVED")
    assert "by nobody" in line


def test_an_unknown_name_is_a_usage_error(capsys: pytest.CaptureFixture[str]):
    """It says which there are."""
    assert main(["no-such-mechanism"]) == 2
    assert MUTANTS[0].name in capsys.readouterr().err


def test_names_are_given_once():
    """Each row can be asked for by its name."""
    names = [mutant.name for mutant in MUTANTS]
    assert len(set(names)) == len(names)
