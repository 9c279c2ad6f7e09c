from math import inf

from hypothesis import given
from hypothesis import strategies as st

from dynamo.load.book import CONCURRENT, FRESH, NOTHING, REMEMBERED, STALE, Book


def judged(book: Book, key: int, numbers: list[int], began: float, floors=None) -> int:
    floors = book.floors(key) if floors is None else floors
    return book.verdict(book.acknowledged_at(numbers), max(floors), began)


def test_one_writer():
    """Stale exactly if the number is below the last one acknowledged before the read began."""
    book = Book(1)
    first = book.begin(1.0, 0)
    book.acknowledge(5, first, 2.0)
    second = book.begin(3.0, 0)
    early = book.floors(5)
    book.acknowledge(5, second, 4.0)
    assert judged(book, 5, [first], 3.5, early) == FRESH
    assert judged(book, 5, [second], 3.5, early) == CONCURRENT
    assert judged(book, 5, [first], 4.5) == STALE
    assert judged(book, 5, [second], 4.5) == FRESH
    assert judged(book, 5, [NOTHING], 4.5) == STALE
    assert judged(book, 6, [NOTHING], 4.5) == FRESH


def test_concurrent_writes_blame_nobody():
    """Of two writes that overlapped either may be the newer one for the store."""
    book = Book(1)
    one, other = book.begin(1.0, 0), book.begin(2.0, 0)
    book.acknowledge(5, other, 3.0)
    book.acknowledge(5, one, 4.0)
    assert judged(book, 5, [one], 5.0) == FRESH
    assert judged(book, 5, [other], 5.0) == FRESH
    third = book.begin(4.5, 0)
    book.acknowledge(5, third, 5.0)
    assert judged(book, 5, [one], 6.0) == judged(book, 5, [other], 6.0) == STALE
    assert judged(book, 5, [one, third], 6.0) == FRESH


def test_a_write_of_unknown_outcome_is_never_owed():
    """It may be shown or not, and showing it is never stale."""
    book = Book(1)
    known = book.begin(1.0, 0)
    book.acknowledge(5, known, 2.0)
    unknown = book.begin(3.0, 0)
    assert book.acknowledged[unknown] == inf
    assert judged(book, 5, [known], 9.0) == FRESH
    assert judged(book, 5, [unknown], 9.0) == CONCURRENT


def test_levels_of_writes_are_judged_apart():
    """A read that misses a write at one level need not miss one at the other."""
    book = Book(2)
    strict = book.begin(1.0, 1)
    book.acknowledge(5, strict, 2.0)
    weak = book.begin(3.0, 0)
    book.acknowledge(5, weak, 4.0)
    floors = book.floors(5)
    latest = book.acknowledged_at([strict])
    assert [book.verdict(latest, floor, 5.0) for floor in floors] == [STALE, FRESH]
    assert book.missed(5, latest, 5.0, 0).writes == 1


def test_preloaded_keys_are_owed_their_value():
    """Nothing found there is stale; the preloaded value is fresh until it is written over."""
    book = Book(1)
    book.preloaded(range(10))
    assert judged(book, 3, [NOTHING], 1.0) == STALE
    assert judged(book, 3, [0], 1.0) == FRESH
    assert judged(book, 10, [NOTHING], 1.0) == FRESH
    number = book.begin(2.0, 0)
    book.acknowledge(3, number, 3.0)
    assert judged(book, 3, [0], 4.0) == STALE


def test_how_stale():
    """The writes that were missed, and the age of the oldest of them when the read began."""
    book = Book(1)
    for at in range(4):
        book.acknowledge(5, book.begin(at + 0.1, 0), at + 0.5)
    assert book.missed(5, book.acknowledged_at([1]), 10.0) == (3, 10.0 - 1.5)
    assert book.missed(5, book.acknowledged_at([1]), 1.6) == (1, 1.6 - 1.5)


def test_a_long_history_is_forgotten():
    """Memory of a key is bounded; of what is forgotten the count is a lower bound."""
    book = Book(1)
    for at in range(1000):
        book.acknowledge(5, book.begin(at + 0.1, 0), at + 0.5)
    assert REMEMBERED <= book.missed(5, -inf, 2000.0).writes <= 2 * REMEMBERED


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 50), st.booleans()), min_size=1, max_size=12), st.floats(0, 120)
)
def test_the_floor_is_the_definition(writes, began):
    """Against the definition, write by write: some write that follows the returned one was acknowledged before."""
    book = Book(1)
    numbers = {}
    for begin, took, is_answered in sorted(writes):
        numbers[book.begin(begin, 0)] = (begin, begin + took, is_answered)
    ends = sorted((end, number) for number, (_, end, answered) in numbers.items() if answered and end <= began)
    for end, number in ends:
        book.acknowledge(5, number, end)
    floors = book.floors(5)
    for end, number in sorted(
        (end, number) for number, (_, end, answered) in numbers.items() if answered and end > began
    ):
        book.acknowledge(5, number, end)
    for returned, (_, end, is_answered) in numbers.items():
        followers = [
            begin
            for begin, other_end, answered in numbers.values()
            if answered and other_end <= began and is_answered and begin > end
        ]
        assert (judged(book, 5, [returned], began, floors) == STALE) == bool(followers)
