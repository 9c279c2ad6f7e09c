"""A node's memory of other nodes' stores: on disk, and honest about its own."""

from __future__ import annotations

import pytest

from dynamo.errors import StorageFull
from dynamo.node.store_ages import StoreAgeBook
from dynamo.protocol.messages import StoreAge
from tests.unit.node.world import MemoryIdentity, MemoryStorage


class Desk:
    """A book over a store whose batches commit when told."""

    def __init__(self) -> None:
        self.agenda: list = []
        self.storage = MemoryStorage(self.agenda.append)
        self.book = self.reopened()

    def reopened(self) -> StoreAgeBook:
        book = StoreAgeBook("n1", MemoryIdentity(), self.storage)
        book.load()
        return book

    def commit(self) -> None:
        while self.agenda:
            self.agenda.pop(0)()


@pytest.fixture
def desk() -> Desk:
    return Desk()


def age(starts: int, reaps: int = 0) -> StoreAge:
    return StoreAge("n2", "s", starts, f"r{starts}", reaps)


def test_what_was_met_is_remembered_after_a_restart(desk: Desk):
    """The memory is in the store."""
    assert desk.book.judge(age(5)) == ""
    desk.commit()
    assert "start 4" in desk.reopened().judge(age(4))


def test_who_is_objected_to_is_not_noted(desk: Desk):
    """An older copy that knocks changes nothing."""
    desk.book.judge(age(5))
    desk.book.judge(age(4))
    assert desk.book.judge(age(5)) == ""


def test_what_is_heard_is_kept_too(desk: Desk):
    """Removals that a third node told of."""
    desk.book.judge(age(5))
    desk.book.hear([age(5, reaps=2), StoreAge("n1", "mine?", 9, "x")])
    desk.commit()
    again = desk.reopened()
    assert "agreed to 2 before" in again.judge(age(6, reaps=1))
    assert [each.node for each in again.all()] == ["n1", "n2"]


def test_a_consent_is_told_once_it_is_on_disk(desk: Desk):
    """What a crash may undo is never told: the node would look older than it is."""
    told: list[bool] = []
    desk.book.agree(told.append)
    assert desk.book.mine.reaps == 0
    desk.commit()
    assert told == [True]
    assert desk.book.mine.reaps == desk.reopened().mine.reaps == 1


def test_a_consent_that_could_not_be_kept_is_none(desk: Desk):
    """The next one takes its number."""
    told: list[bool] = []
    desk.book.agree(told.append)
    desk.storage.fail(StorageFull("no room"))
    desk.book.agree(told.append)
    desk.commit()
    assert told == [False, True]
    assert desk.book.mine.reaps == desk.reopened().mine.reaps == 1
