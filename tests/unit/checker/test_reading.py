"""A file tells by itself how it is written."""

from dynamo.checker.history import to_lines
from dynamo.checker.reading import initial_value, is_ours, read
from tests.unit.checker.story import Calls

EDN = "{:process 0 :type :invoke :f :add :value 3}"


def ours() -> str:
    calls = Calls()
    calls.answer(calls.call("put", value="x"))
    return to_lines(calls.history)


def test_each_form_is_known_by_its_beginning():
    """Ours by the quoted name of a member; a log by being neither."""
    assert is_ours(ours())
    assert not is_ours(EDN)
    assert list(read(ours(), "kv").keys) == ["b/k"]
    assert read(ours(), "kv", "other").keys == {}
    assert list(read(EDN, "counter").keys) == [""]
    assert read("0 :invoke :write 4", "kv").keys[""][0].written == 4


def test_what_is_added_depends_on_the_model():
    """An element of a set, or a number."""
    assert read(EDN, "set").keys[""][0].written == 3
    assert read(EDN, "counter").keys[""][0].amount == 3


def test_the_first_value_is_written_as_in_the_history():
    """A word of ours is a text, 0 of EDN a number."""
    assert initial_value("0", ours()) == "0"
    assert initial_value("0", EDN) == 0
    assert initial_value('""', EDN) == ""
    assert initial_value("nil", EDN) is None
    assert initial_value(None, EDN) is None
