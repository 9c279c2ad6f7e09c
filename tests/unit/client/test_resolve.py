from datetime import UTC, datetime

import pytest

from dynamo.client.resolve import last_write_wins, resolved, union
from dynamo.client.results import Missing, Siblings, Value
from dynamo.errors import SiblingsPresent


def siblings(*values: tuple[bytes, int | None]) -> Siblings:
    """Values, each with the second at which it was written."""
    return Siblings(
        bucket="b",
        key=b"k",
        values=tuple(
            Value(
                bucket="b",
                key=b"k",
                value=value,
                last_modified=None if at is None else datetime(2026, 1, 1, 0, 0, at, tzinfo=UTC),
            )
            for value, at in values
        ),
    )


def test_last_write_wins_by_time():
    """The newest one, and one without a time is never the newest."""
    assert last_write_wins(siblings((b"old", 1), (b"new", 2), (b"none", None))) == b"new"


def test_resolvers_do_not_depend_on_order():
    """Two clients that see the siblings in another order resolve alike, also on a tie."""
    values = [(b'["b",{"x":1,"y":2}]', 1), (b'["a",{"y":2,"x":1}]', 1)]
    for resolver in (last_write_wins, union):
        assert resolver(siblings(*values)) == resolver(siblings(*reversed(values)))


def test_union_keeps_every_element_once():
    """Elements are compared by their JSON, whatever the order of their members."""
    both = siblings((b'["b", {"x":1,"y":2}]', 1), (b'["a", {"y":2,"x":1}]', 2))
    assert union(both) == b'["a","b",{"x":1,"y":2}]'


@pytest.mark.parametrize("value", [b"no json", b'{"a":1}', b'"\xff"'])
def test_union_refuses_what_is_no_array(value):
    """A silent choice would lose a value."""
    with pytest.raises(SiblingsPresent):
        union(siblings((b"[]", 1), (value, 2)))


def test_one_value_and_none_need_no_resolver():
    """Siblings do."""
    assert resolved(Missing(bucket="b", key=b"k"), None) is None
    assert resolved(Value(bucket="b", key=b"k", value=b"v"), None) == b"v"
    with pytest.raises(SiblingsPresent):
        resolved(siblings((b"a", 1), (b"b", 2)), None)
    assert resolved(siblings((b"a", 1), (b"b", 2)), last_write_wins) == b"b"
