import tomllib

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from dynamo.cli.toml_text import toml_of, tree_of
from dynamo.config import Config

SCALARS = st.text() | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.floats(allow_nan=False)


@given(st.dictionaries(st.sampled_from("abc"), st.dictionaries(st.sampled_from("xyz"), SCALARS), min_size=1))
def test_what_is_written_is_what_is_read(tree):
    """Any text, number or flag."""
    assert tomllib.loads(toml_of(tree)) == tree


def test_lists_of_tables():
    """As the members of a cluster."""
    tree = {"a": {"n": 1, "list": [{"id": "x"}, {"id": "y"}]}, "b": {"only": [{"id": "z"}]}}
    assert tomllib.loads(toml_of(tree)) == tree
    assert msgspec.convert(tomllib.loads(toml_of(tree_of(Config()))), Config) == Config()


def test_notes_are_comments():
    """Beside the setting that they are about."""
    text = toml_of({"a": {"n": 1, "m": "x#y"}}, {"a.m": "why"})
    assert text == '[a]\nn = 1\nm = "x#y"  # why\n'
