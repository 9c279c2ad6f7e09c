import pytest

from dynamo.load.levels import Weighted, names, query, weighted


def test_levels_are_read_weakest_first():
    """Names, numbers of replicas and weights, whatever their order."""
    assert weighted("all, quorum=3,one") == (Weighted("one"), Weighted("quorum", 3.0), Weighted("all"))
    assert names(weighted("linearizable,3,2,one,quorum,all")) == ["one", "2", "quorum", "3", "all", "linearizable"]


@pytest.mark.parametrize("text", ["", "most", "0", "one=0", "one=x", "one,one", "one=-1", "1.5"])
def test_what_is_no_level_is_refused(text):
    """Also a weight of nothing, and a level that stands there twice."""
    with pytest.raises(ValueError, match="level"):
        weighted(text)


@pytest.mark.parametrize(
    ("level", "of_write", "linearizable", "said"),
    [
        ("one", False, False, "consistency=one"),
        ("all", True, False, "consistency=all"),
        ("2", False, False, "r=2"),
        ("2", True, False, "w=2"),
        ("linearizable", False, True, "consistency=linearizable"),
        ("linearizable", True, True, ""),
    ],
)
def test_how_a_request_names_a_level(level, of_write, linearizable, said):
    """As the API spells it; a linearizable bucket's write has none."""
    assert query(level, of_write=of_write, linearizable_bucket=linearizable) == said
