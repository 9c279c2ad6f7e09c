"""A node's memory of other nodes' stores: on disk, and honest about its own."""

from __future__ import annotations

import pytest

from dynamo.errors import StorageFull
from dynamo.layout.keyspaces import Keyspace
from dynamo.node.store_ages import StoreAgeBook
from dynamo.protocol.messages import Refused, StoreAge, TellStores
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


def test_nodes_that_agree_about_all_stores_have_one_hash(desk: Desk):
    """Each knows its own store, and the other's, on disk."""
    other = StoreAgeBook("n2", MemoryIdentity(), MemoryStorage(desk.agenda.append))
    other.load()
    before = desk.book.stores
    assert before != other.stores
    desk.book.judge(other.mine)
    other.judge(desk.book.mine)
    assert desk.book.stores == before, "it is not on disk yet"
    desk.commit()
    assert desk.book.stores == other.stores != 0


def test_the_hash_tells_of_another_store_and_of_nothing_else(desk: Desk):
    """Restarts and removals leave it alone; what a restart reads gives the same one."""
    desk.book.judge(age(5))
    desk.commit()
    before = desk.book.stores
    desk.book.judge(age(6, reaps=3))
    desk.commit()
    assert desk.book.stores == desk.reopened().stores == before
    desk.book.judge(StoreAge("n2", "t", 1, "r"))
    desk.commit()
    assert desk.book.stores != before


def told_by(desk: Desk, message: TellStores) -> list:
    answers: list = []
    desk.book.tell(message, 0.0, "", answers.append)
    desk.commit()
    return answers


def test_what_was_told_is_on_disk_before_that_is_said(desk: Desk):
    """The answer has everything that this node knows, its own store included."""
    answers: list = []
    desk.book.tell(TellStores([[age(1), StoreAge("n2", "t", 1, "r")]]), 0.0, "", answers.append)
    assert answers == []
    desk.commit()
    assert answers == [TellStores([[desk.book.mine], [age(1), StoreAge("n2", "t", 1, "r")]])]
    assert [each.store for each in desk.reopened().histories()[1]] == ["s", "t"]


def test_a_disk_that_does_not_take_it_is_no_yes(desk: Desk):
    """The one who told tells again."""
    desk.storage.full = True
    (answer,) = told_by(desk, TellStores([[age(1)]]))
    assert isinstance(answer, Refused)
    desk.storage.full = False
    assert isinstance(told_by(desk, TellStores([]))[0], TellStores)
    assert desk.reopened().all()[1:] == [age(1)]


def test_who_never_knew_another_store_of_this_node_says_so(desk: Desk):
    """One that knows an older one, or none, or another one, does not."""
    mine = desk.book.mine
    older = StoreAge("n1", "older", 3, "r")
    for number, history in enumerate([[older, mine], [], [older], [mine]]):
        desk.book.answered(f"peer{number}", TellStores([history, [age(1)]]))
    assert list(desk.book.first) == ["peer3"]


def test_damaged_notes_agree_with_nobody_until_the_node_is_met(desk: Desk):
    """What this node had on disk may have been newer than what others tell."""
    desk.book.judge(age(5))
    desk.commit()
    before = desk.book.stores
    key = b"store-age/n2"
    desk.storage.durable[Keyspace.META][key] = desk.storage.durable[Keyspace.META][key][:-1] + b"?"
    book = desk.reopened()
    assert book.all() == [book.mine]
    assert book.stores != before
    book.learn([[age(5)]])
    desk.commit()
    assert book.stores != before
    book.judge(age(5))
    desk.commit()
    assert book.stores == before
    assert desk.reopened().stores == before
