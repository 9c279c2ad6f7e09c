from datetime import UTC, datetime

import msgspec
import pytest

from dynamo.client.resolve import chosen, common_content_type, folded, last_write_wins, resolved, settled, union
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


def test_a_fold_does_not_depend_on_order():
    """Though its function may."""
    resolver = folded(lambda left, right: left + b"," + right)
    values = [(b"b", 1), (b"c", 2), (b"a", 3)]
    assert resolver(siblings(*values)) == resolver(siblings(*reversed(values))) == b"a,b,c"


def test_what_is_resolved_has_the_context_of_all():
    """So that a write which names it replaces all of them; what was one value stays as it is."""
    found = msgspec.structs.replace(siblings((b"a", 1), (b"b", 2)), context="token")
    shown = settled(found, last_write_wins)
    assert isinstance(shown, Value)
    assert (shown.value, shown.context, shown.resolved_from) == (b"b", "token", 2)
    assert shown.last_modified == datetime(2026, 1, 1, 0, 0, 2, tzinfo=UTC)
    assert settled(found, None) is found
    one = Value(bucket="b", key=b"k", value=b"v")
    assert settled(one, last_write_wins) is one


def test_a_resolver_may_leave_nothing():
    """Then the key is missing, and the context still says what was seen."""
    found = msgspec.structs.replace(siblings((b"a", 1), (b"b", 2)), context="token")
    assert settled(found, lambda _: None) == Missing(bucket="b", key=b"k", context="token")
    assert resolved(found, lambda _: None) is None


def test_the_nearest_resolver_is_chosen():
    """The call's own, the bucket's, the one for every other bucket, the client's, none."""
    table = {"sets": union, "": last_write_wins}
    assert chosen(table, "sets", None) is union
    assert chosen(table, "other", None) is last_write_wins
    assert chosen(table, "sets", last_write_wins) is last_write_wins
    assert chosen({"sets": union}, "other", None) is None
    assert chosen(union, "any", None) is union
    assert chosen(None, "any", union) is union


def test_the_content_type_is_kept_where_all_agree():
    """Nobody can say which of two it should be."""
    both = siblings((b"a", 1), (b"b", 2))
    kinds = [("text/plain", "text/plain"), ("text/plain", "text/html")]
    found = [
        msgspec.structs.replace(
            both,
            values=tuple(msgspec.structs.replace(v, content_type=k) for v, k in zip(both.values, pair, strict=True)),
        )
        for pair in kinds
    ]
    assert [common_content_type(f) for f in found] == ["text/plain", ""]
    assert common_content_type(Missing(bucket="b", key=b"k")) == ""
