import pytest

from dynamo.membership.dissemination import MESSAGE_MAX, Dissemination, told_max
from dynamo.membership.view import State
from dynamo.protocol.messages import MemberState


def saying(node: str, incarnation: int = 1) -> MemberState:
    return MemberState(node, State.SUSPECT, incarnation)


@pytest.mark.parametrize(("members", "times"), [(3, 6), (4, 9), (9, 12), (31, 15), (100, 21)])
def test_each_saying_is_told_so_often_and_then_no_more(members, times):
    """Proportional to the logarithm of the cluster's size."""
    news = Dissemination(members)
    news.add(saying("a"))
    assert told_max(members) == times
    assert [news.take() for _ in range(times)] == [[saying("a")]] * times
    assert news.take() == []
    assert len(news) == 0


def test_the_newest_goes_first():
    """And what has been told less before what has been told more."""
    news = Dissemination(3)
    news.add(saying("old"))
    news.take()
    news.add(saying("a"))
    news.add(saying("b"))
    assert [said.node for said in news.take()] == ["b", "a", "old"]


def test_a_message_holds_so_much():
    """The rest waits for the next one."""
    news = Dissemination(100)
    for number in range(MESSAGE_MAX + 2):
        news.add(saying(f"n{number}"))
    first = [said.node for said in news.take()]
    assert len(first) == MESSAGE_MAX
    assert {said.node for said in news.take()} >= {"n0", "n1"}


def test_a_newer_saying_replaces_the_older():
    """And is told as often as any, from the beginning."""
    news = Dissemination(3)
    news.add(saying("a", 1))
    news.take()
    news.add(saying("a", 2))
    assert [news.take() for _ in range(7)] == [[saying("a", 2)]] * 6 + [[]]
