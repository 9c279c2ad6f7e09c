import pytest

from dynamo.cli.bench import VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_there(cli, verb):
    """Its help can be shown."""
    result = cli("bench", verb, "--help")
    assert result.code == 0
    assert result.text.startswith(f"Usage: dynamo bench {verb}")


def test_without_a_verb_it_is_run(cli):
    """Its options, and its errors; but help is that of all verbs."""
    refused = cli("bench", "--mix", "z")
    assert refused.code == 2
    assert "dynamo bench run --help" in refused.err
    assert all(name in cli("bench", "--help").text for name in VERBS)


def test_a_word_that_is_no_verb_is_refused(cli):
    """Rather than taken for something else."""
    result = cli("bench", "walk")
    assert (result.code, "walk" in result.err) == (2, True)
