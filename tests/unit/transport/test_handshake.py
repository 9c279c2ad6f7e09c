import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.protocol.codec import MAGIC, PROTOCOL_MAX, PROTOCOL_MIN, Hello, Welcome
from dynamo.protocol.messages import StoreAge
from dynamo.transport.handshake import GREETING_BYTES_MAX, finds_outdated, hello, is_ours, names_in, welcome, why_leave
from tests.unit.transport.wire import introduction

ONE, TWO = introduction("node1"), introduction("node2")


def said(**changes: object) -> Hello:
    fields = {"protocol_min": 1, "protocol_max": 1, "cluster": "cluster", "node": "node2", "epoch": 1, **changes}
    return Hello(magic=MAGIC, incarnation="00000002", **fields)


def answered(**changes: object) -> Welcome:
    fields = {"protocol": 1, "cluster": "cluster", "node": "node1", "epoch": 1, **changes}
    return Welcome(**{"magic": MAGIC, "incarnation": "00000001", **fields})


def test_two_members_agree():
    """Each says who it is, and both go on in the same version."""
    greeting = hello(TWO)
    assert (greeting.cluster, greeting.node, greeting.incarnation, greeting.epoch) == (
        "cluster",
        "node2",
        "00000002",
        1,
    )
    answer = welcome(ONE, greeting, None)
    assert (answer.refusal, answer.protocol, answer.node, answer.incarnation) == ("", 1, "node1", "00000001")
    assert why_leave(TWO, "node1", answer, None) == ""


def test_an_introduction_is_read_anew():
    """A changed epoch or incarnation shows in the next handshake."""
    me = introduction("node1")
    me.epoch, me.incarnation = 9, "ffffffff"
    assert (hello(me).epoch, hello(me).incarnation) == (9, "ffffffff")
    assert welcome(me, said(), None).epoch == 9


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cluster": "other"}, ["'cluster'", "'other'"]),
        ({"node": "node9"}, ["'node9'", "not a member", "epoch 1"]),
        ({"node": "node1"}, ["'node1'", "my own id"]),
        ({"protocol_min": 2, "protocol_max": 3}, ["no protocol in common", "2 to 3", "1 to 1"]),
        ({"protocol_min": 0, "protocol_max": 0}, ["no protocol in common"]),
        ({"protocol_min": 2, "protocol_max": 1}, ["no protocol in common"]),
    ],
)
def test_the_listener_says_why_not(changes: dict[str, object], words: list[str]):
    """In words that name what was claimed and what was expected."""
    answer = welcome(ONE, said(**changes), None)
    assert answer.protocol == 0
    for word in words:
        assert word in answer.refusal
    assert why_leave(TWO, "node1", answer, None) == f"refused: {answer.refusal}"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cluster": "other"}, ["'other'", "'cluster'"]),
        ({"node": "node3"}, ["'node3'", "'node1'"]),
        ({"protocol": 0}, ["protocol 0"]),
        ({"protocol": 2}, ["protocol 2"]),
        ({"refusal": "go away"}, ["refused: go away"]),
        ({"magic": "dynamo-other"}, ["no peer"]),
    ],
)
def test_the_opener_leaves_the_wrong_place(changes: dict[str, object], words: list[str]):
    """An address that leads to another cluster, another node or another program is not used."""
    reason = why_leave(TWO, "node1", answered(**changes), None)
    for word in words:
        assert word in reason


AGE = StoreAge("node2", "s", 4, "r")


def objecting(node: str):
    """A node that holds everybody's store to be an older copy."""
    return introduction(node, judge=lambda _: "start 5 was seen before")


def test_the_age_of_the_store_is_shown_to_both():
    """Each greeting carries it, as it is at that moment."""
    ages = [AGE, StoreAge("node2", "s", 4, "r", 1)]
    me = introduction("node2", age=lambda: ages.pop(0))
    assert hello(me).age == AGE
    assert welcome(me, said(node="node1"), None).age.reaps == 1


def test_the_listener_refuses_an_older_copy_and_says_so():
    """In words, and in a mark by which the opener knows that it must end."""
    answer = welcome(objecting("node1"), said(age=AGE), None)
    assert (answer.protocol, answer.outdated) == (0, True)
    assert "node2 runs on an older copy of its data: start 5 was seen before" in answer.refusal
    assert why_leave(TWO, "node1", answer, None).startswith("refused: node2 runs on an older copy")
    assert finds_outdated(TWO, "node1", answer, None)


def test_a_stranger_cannot_end_a_node():
    """What answers at a member's address must be that member, of this cluster, by its certificate."""
    answer = welcome(objecting("node1"), said(age=AGE), None)
    assert not finds_outdated(TWO, "node3", answer, None)
    assert not finds_outdated(introduction("node2", cluster="other"), "node1", answer, None)
    assert not finds_outdated(TWO, "node1", answer, frozenset({"node3"}))
    assert not finds_outdated(TWO, "node1", welcome(ONE, said(cluster="other"), None), None)


def test_the_opener_leaves_an_older_copy_alone():
    """It is not told from here: its own connections will tell it."""
    assert "older copy of its data" in why_leave(objecting("node2"), "node1", answered(age=AGE), None)


def test_only_a_member_is_judged():
    """Judging takes note; a stranger must not leave any."""
    judged = []
    me = introduction("node1", judge=lambda age: judged.append(age) or "")
    welcome(me, said(cluster="other", age=AGE), None)
    welcome(me, said(node="node9", age=AGE), None)
    why_leave(me, "node2", answered(node="node3", age=AGE), None)
    assert judged == []
    welcome(me, said(age=AGE), None)
    assert judged == [AGE]


@given(st.integers(-3, 9), st.integers(-3, 9))
def test_a_version_is_chosen_that_both_speak(low: int, high: int):
    """The highest one; or a refusal, exactly where there is none."""
    answer = welcome(ONE, said(protocol_min=low, protocol_max=high), None)
    common = set(range(low, high + 1)) & set(range(PROTOCOL_MIN, PROTOCOL_MAX + 1))
    assert (answer.refusal == "") == bool(common)
    assert answer.protocol == max(common, default=0)


@pytest.mark.parametrize(
    ("names", "passes"), [({"node2"}, True), ({"node3", "node2"}, True), ({"node3"}, False), ((), False)]
)
def test_a_certificate_must_carry_the_claimed_name(names, passes: bool):
    """A member's certificate does not let it speak for another; no name at all is no name."""
    refusal = welcome(ONE, said(), frozenset(names)).refusal
    assert (refusal == "") is passes
    assert passes or "'node2'" in refusal
    left = why_leave(ONE, "node2", answered(node="node2"), frozenset(names))
    assert (left == "") is passes


@pytest.mark.parametrize(
    ("certificate", "names"),
    [
        (None, set()),
        ({}, set()),
        ({"subjectAltName": (("DNS", "node1"), ("IP Address", "127.0.0.1"), ("DNS", "n"))}, {"node1", "n"}),
        ({"subject": ((("commonName", "node1"),),)}, set()),
    ],
)
def test_names_are_the_dns_names(certificate, names: set[str]):
    """Not addresses, and not the common name."""
    assert names_in(certificate) == names


@pytest.mark.parametrize("magic", ["", "dynamo", "dynamo-peer ", "HTTP/1.1"])
def test_another_protocol_is_known_by_its_magic(magic: str):
    """It gets no answer at all."""
    assert not is_ours(Hello(magic, 1, 1, "cluster", "node2", "x", 1))


def test_greetings_fit_their_limit():
    """Long names of ours with room to spare, and whatever a stranger claims: it is cut, and shown without line ends."""
    ours = introduction("n" * 32, cluster="c" * 255)
    for claimed in ({"cluster": "\n" * 4000}, {"cluster": ours.cluster, "node": "\x1b" * 4000}):
        answer = welcome(ours, said(**claimed), None)
        assert len(msgspec.msgpack.encode(answer)) < GREETING_BYTES_MAX // 2
        assert answer.refusal.isprintable()
