"""Histories of others are read as what they say: who called what, what came of it, and what is no operation at all."""

from math import inf
from pathlib import Path

import pytest

from dynamo.checker import jepsen
from dynamo.checker.linearizability import check, check_key
from dynamo.checker.operation import Op, describe

PUBLIC = Path(__file__).parent / "public"


def only(text: str, **more) -> list[Op]:
    """The operations of a history of one key."""
    (ops,) = jepsen.operations(text, **more).keys.values()
    return ops


LOG = """INFO  jepsen.core - running
INFO  jepsen.util - 3\t:invoke\t:read\tnil
INFO  jepsen.util - 3\t:ok\t:read\tnil
INFO  jepsen.util - :nemesis\t:info\t:start\t"cuts n1 off"
INFO  jepsen.util - 4\t:invoke\t:write\t1
INFO  jepsen.util - 5\t:invoke\t:cas\t[1 2]
INFO  jepsen.util - 4\t:info\t:write\t:timed-out
INFO  jepsen.util - 5\t:fail\t:cas\t[1 2]
INFO  jepsen.util - 6\t:invoke\t:read\tnil
INFO  jepsen.util - 6\t:fail\t:read\t:timed-out
INFO  jepsen.util - 7\t:invoke\t:write\t9
"""


def test_the_lines_of_a_log():
    """Other lines are passed over, the nemesis is no client, what never ends is unknown."""
    recording = jepsen.operations(LOG)
    read, write, cas, timed_out, last = recording.keys[""]
    assert (read.process, read.told, read.seen, read.called, read.returned) == ("3", True, None, 0, 1)
    assert (write.outcome, write.written, write.returned) == ("unknown", 1, inf)
    assert (cas.outcome, cas.applied, cas.told, cas.condition, cas.expected) == ("ok", False, False, "value", 1)
    assert (timed_out.outcome, timed_out.told) == ("fail", False)
    assert (last.outcome, last.index) == ("unknown", 10)
    assert [(aside.at, aside.text) for aside in recording.asides] == [(2, "nemesis start cuts n1 off")]


def test_a_newer_log_line_has_more_before_and_an_error_after():
    """Time stamps and thread names; the error follows the value."""
    prefix = "2020-01-02 03:04:05,678{GMT}\tINFO\t[jepsen worker 0] jepsen.util: "
    ops = only(f"{prefix}0\t:invoke\t:cas\t[0 1]\n{prefix}0\t:fail\t:cas\t[0 1]\t:did-not-succeed\n")
    assert [(op.process, op.outcome, op.applied) for op in ops] == [("0", "ok", False)]
    assert only(f"{prefix}0\t:invoke\t:cas\t[0 1]\n{prefix}0\t:fail\t:cas\t[0 1]\t:unavailable\n")[0].outcome == "fail"


@pytest.mark.parametrize("around", ["[%s]", "(%s)", "%s", "; begin\n#_ignored %s"])
def test_maps_in_a_vector_a_list_or_one_a_line(around: str):
    """With times in nanoseconds, numbers of their own, and records of Jepsen's."""
    text = around % (
        "{:type :invoke, :f :write, :value 3, :process 1, :time 1000000000, :index 7}\n"
        "#jepsen.history.Op{:type :info, :f :kill, :process :nemesis, :value {:n1 :killed}, :time 1, :index 8}\n"
        "{:type :ok, :f :write, :value 3, :process 1, :time 2500000000, :index 9}"
    )
    recording = jepsen.operations(text)
    (op,) = recording.keys[""]
    assert (op.index, op.called, op.returned, op.called_s, op.returned_s) == (7, 0, 2, 1.0, 2.5)
    assert recording.asides[0].text == "nemesis kill {:n1 :killed}"


def test_many_keys():
    """By `:key`, or as pairs where every read asks for one; a pair that a cas names is none of them."""
    named = (
        """{:process 0 :type :invoke :f :get :key "a" :value nil} {:process 0 :type :ok :f :get :key "a" :value "x"}"""
    )
    assert list(jepsen.operations(named).keys) == ["a"]
    pairs = """[{:process 0 :type :invoke :f :read :value [5 nil]} {:process 0 :type :ok :f :read :value [5 1]}
                {:process 0 :type :invoke :f :cas :value [6 [1 2]]} {:process 0 :type :ok :f :cas :value [6 [1 2]]}]"""
    keys = jepsen.operations(pairs).keys
    assert {key: [describe(op) for op in ops] for key, ops in keys.items()} == {"5": ["get -> 1"], "6": ["cas 1 -> 2"]}
    alone = "{:process 0 :type :invoke :f :cas :value [1 2]}"
    assert describe(only(alone)[0]) == "cas 1 -> 2: outcome unknown"


def test_sums_and_sets_and_locks():
    """What is added is a number or an element; a cas from nil asks for nothing."""
    add = "{:process 0 :type :invoke :f :add :value 3} {:process 0 :type :ok :f :add :value 3}"
    assert (only(add)[0].amount, only(add)[0].written) == (3, None)
    assert (only(add, elements=True)[0].amount, only(add, elements=True)[0].written) == (0, 3)
    read = "{:process 0 :type :invoke :f :read} {:process 0 :type :ok :f :read :value #{3}}"
    assert only(read)[0].seen == frozenset({3})
    lock = "{:process 0 :type :invoke :f :acquire} {:process 0 :type :fail :f :acquire :error :already-held}"
    assert (only(lock)[0].kind, only(lock)[0].outcome) == ("acquire", "fail")
    assert only("{:process 0 :type :invoke :f :cas :value [nil 2]}")[0].condition == "absent"


def test_a_value_is_told_from_others_as_in_edn():
    """True is not 1."""
    text = "{:process 0 :type :invoke :f :write :value true} {:process 1 :type :invoke :f :write :value 1}"
    assert [op.written for op in only(text)] == ["true", 1]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "line 1: there is no operation in this file"),
        ("INFO nothing of interest\n", "line 1: there is no operation in this file"),
        ("[{:process 0 :type :invoke}]", "line 1: an operation has a :type, an :f and a :process"),
        ("{:process 0 :type :invoke :f :read}\n[1]", "line 2: an operation is a map, not 1"),
        ("{:process 0 :type :invoke :f :txn}", "line 1: :txn is no operation that any model knows"),
        ("{:process 0 :type :dance :f :read}", "line 1: :dance is no :type of an operation"),
        ("\n{:process 0 :type :ok :f :read}", "line 2: process 0 ends what it has not begun"),
        ("{:process 0 :type :invoke :f :cas :value 3}", "line 1: a :cas has a pair of values, not 3"),
        ("{:process 0 :type :invoke :f :add :value [3]}", r"line 1: \[3\] cannot be added"),
        ("x\n1 :invoke :write [1", "line 2: the text ends within a value"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, complaint: str):
    """By its line."""
    with pytest.raises(ValueError, match=complaint):
        jepsen.operations(text)


@pytest.mark.parametrize(
    ("name", "result", "named"),
    [
        ("etcd_002.log", "legal", ()),
        ("etcd_102.log", "legal", ()),
        ("etcd_022.log", "illegal", (42,)),
        ("etcd_097.log", "illegal", (86,)),
    ],
)
def test_etcd_as_jepsen_found_it(name: str, result: str, named: tuple[int, ...]):
    """Values that repeat, writes of unknown outcome, refusals that keep to themselves what they saw."""
    verdict = check_key("", only((PUBLIC / name).read_text()), "cas-register")
    assert (verdict.result, verdict.operations, verdict.method) == (result, named, "search")


@pytest.mark.parametrize(("name", "bad"), [("kv-c01-ok.edn", []), ("kv-c01-bad.edn", ["7"])])
def test_maps_that_append(name: str, bad: list[str]):
    """Everything is empty text at first."""
    keys = jepsen.operations((PUBLIC / name).read_text()).keys
    assert [each.key for each in check(keys, "kv", initial="") if each.result == "illegal"] == bad


def test_what_a_failed_write_wrote_is_from_nowhere():
    """In the form of a minimal history that Knossos keeps."""
    text = """[{:type :invoke, :process 1, :f :read, :value nil}
               {:type :invoke, :process 101, :f :write, :value 3}
               {:type :fail, :process 101, :f :write, :value 3, :error [:temporarily-unavailable nil]}
               {:type :ok, :process 1, :f :read, :value 3}]"""
    verdict = check_key("", only(text), "cas-register")
    assert (verdict.result, verdict.operations) == ("illegal", (1,))
    assert verdict.reason.endswith("put 3: failed (operation 2 of 101) wanted to")


def test_the_read_that_no_order_allows_is_named_not_one_after_it():
    """In the form of another one: 0 is there, 4 is being written, and 3 is read."""
    text = """({:type :invoke, :f :write, :value 0, :process 0} {:type :ok, :f :write, :value 0, :process 0}
               {:type :invoke, :f :read, :value nil, :process 1} {:type :invoke, :f :write, :value 4, :process 2}
               {:type :ok, :f :read, :value 3, :process 1} {:type :ok, :f :write, :value 4, :process 2}
               {:type :invoke, :f :read, :value nil, :process 3} {:type :ok, :f :read, :value 4, :process 3})"""
    for method in ("zones", "search"):
        assert check_key("", only(text), "cas-register", method=method).operations == (3,)
