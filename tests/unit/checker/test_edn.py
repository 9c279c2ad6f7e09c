"""EDN text becomes plain values, and what is no EDN is named by its line."""

import pytest

from dynamo.checker.edn import Keyword, Symbol, forms, value_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("nil", None),
        ("true", True),
        ("-12", -12),
        ("12N", 12),
        ("1.5", 1.5),
        ("2e3", 2000.0),
        ('"a\\n\\"b\\" \\u0041"', 'a\n"b" A'),
        (r"\c", "c"),
        (r"\newline", "\n"),
        ("\\u0042", "B"),
        ("[1, 2 (3)]", (1, 2, (3,))),
        ("#{1 2}", frozenset({1, 2})),
        ("{:a 1, :b [nil]}", {"a": 1, "b": (None,)}),
        ("#jepsen.history.Op{:index 3}", {"index": 3}),
        ('#inst "2020"', "2020"),
        ("[1 #_2 #_ [3 4] 5]", (1, 5)),
        ("; a comment\n[1 ; another\n 2]", (1, 2)),
    ],
)
def test_each_kind_of_value(text: str, value):
    """As the standard says."""
    assert value_of(text) == value
    assert type(value_of(text)) is type(value)


def test_names_are_told_from_texts():
    """A keyword and a symbol know what they are."""
    assert [type(each) for each in value_of('[:read read "read" :a/b]')] == [Keyword, Symbol, str, Keyword]
    assert value_of(":a/b") == "a/b"


def test_a_text_of_several_values_tells_where_each_begins():
    """Also after texts and comments of several lines; what is discarded is none."""
    assert list(forms('1 ; x\n"a\nb"\n#_ 2\n{:c\n3}')) == [(1, 1), (2, "a\nb"), (5, {"c": 3})]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[1\n2", "line 2: the text ends within a value"),
        ("\n]", "line 2: ] closes nothing"),
        ("[1\n}", "line 2: } where ] is due"),
        ("{:a}", "line 1: a map with a key that has no value"),
        ('\n"abc', "line 2: .* is no EDN"),
        ("#{{}}", "line 1: a map or a set cannot be a key here"),
        ("[" * 100, "line 1: values within values, more than 64 deep"),
        ("", "0 values where one is wanted"),
        ("1 2", "2 values where one is wanted"),
    ],
)
def test_what_is_no_edn_is_refused(text: str, complaint: str):
    """Never anything but a ValueError."""
    with pytest.raises(ValueError, match=complaint):
        value_of(text)
