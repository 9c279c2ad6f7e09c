import pytest

from dynamo.load.answers import Corrupt
from dynamo.load.book import STALE, UNKNOWN
from dynamo.load.judge import Judge, probe_verdict
from dynamo.load.levels import weighted
from dynamo.load.values import Written
from dynamo.report.counts import Counts
from tests.unit.load.stage import plan


def written(judge: Judge, key: int, begin: float, end: float, level: int = 0) -> int:
    number = judge.book.begin(begin, level)
    judge.book.acknowledge(key, number, end)
    return number


def read(
    judge: Judge, key: int, numbers, began: float, *, level: int = 0, session: int = 0, counts: bool = True
) -> None:
    floors, promised = judge.book.floors(key), judge.sessions.floors(session, key)
    judge.read(level, session, key, numbers, began, floors, promised, counts=counts)


def given(judge: Judge) -> Counts:
    counts = Counts()
    judge.give(counts)
    return counts


def test_pairs_of_levels_are_counted_apart():
    """A read at one misses the write at one, not the older one at quorum; both are seen on the same read."""
    judge = Judge(plan(), 0)
    strict = written(judge, 5, 1, 2, level=1)
    written(judge, 5, 3, 4, level=0)
    read(judge, 5, [strict], 5.0)
    checks = given(judge).checks
    assert {name: each.verdicts for name, each in checks.items()} == {
        "one one": [0, 1, 0, 0],
        "one quorum": [1, 0, 0, 0],
        "one any": [0, 1, 0, 0],
    }
    assert checks["one one"].versions == {1: 1}
    assert sum(checks["one one"].seconds.values()) == 1


def test_a_level_that_was_never_written_is_not_judged():
    """Nothing can be stale towards it."""
    judge = Judge(plan(), 0)
    number = written(judge, 5, 1, 2, level=0)
    read(judge, 5, [number], 3.0)
    assert "one quorum" not in given(judge).checks


def test_with_one_level_of_writes_the_pair_is_the_whole():
    """And counts begin anew once they were given."""
    judge = Judge(plan(writes=weighted("quorum")), 0)
    number = written(judge, 5, 1, 2)
    read(judge, 5, [number], 3.0)
    first = given(judge).checks
    assert first["one quorum"].verdicts == first["one any"].verdicts == [1, 0, 0, 0]
    assert given(judge).checks == {}


def test_a_value_of_another_run_is_unknown():
    """It cannot be placed in time; a number that was never issued ends the run."""
    judge = Judge(plan(), 0)
    assert judge.numbers([Written(8, 5, 0, 3)]) is None
    read(judge, 5, None, 3.0)
    assert given(judge).checks["one any"].verdicts[UNKNOWN] == 1
    for wrong in (Written(7, 5, 0, 1), Written(7, 5, 1, 1)):
        with pytest.raises(Corrupt, match="never sent"):
            judge.numbers([wrong])
    assert judge.numbers([Written(7, 5, 0, 0)]) == [0]
    assert judge.numbers([]) == [-1]


def test_sessions_are_held_to_their_promises():
    """A user who has read the newer one is shown the older one; somebody else may be."""
    judge = Judge(plan(), 0)
    old, new = written(judge, 5, 1, 2), written(judge, 5, 3, 4)
    read(judge, 5, [new], 5.0, session=1)
    read(judge, 5, [old], 6.0, session=1)
    read(judge, 5, [old], 7.0, session=2)
    promises = given(judge).promises
    assert (promises["one monotonic_reads"].checked, promises["one monotonic_reads"].broken) == (1, 1)
    judge.sessions.has_written(2, 5, 3.0)
    read(judge, 5, [old], 8.0, session=2)
    assert given(judge).promises["one read_your_writes"].broken == 1


def test_warming_up_counts_nowhere_and_teaches_sessions():
    """What was shown then is owed later."""
    judge = Judge(plan(), 0)
    old, new = written(judge, 5, 1, 2), written(judge, 5, 3, 4)
    read(judge, 5, [new], 5.0, counts=False)
    assert given(judge) == Counts()
    read(judge, 5, [old], 6.0)
    assert given(judge).promises["one monotonic_reads"].broken == 1


def test_a_probe_is_judged_by_its_own_write():
    """Nothing older than it will do."""
    judge = Judge(plan(), 0)
    old, new = written(judge, 5, 1, 2), written(judge, 5, 3, 4)
    assert probe_verdict(judge.book, [old], new, 5.0) == (STALE, 1)
    assert probe_verdict(judge.book, [new], new, 5.0) == (0, 0)
    assert probe_verdict(judge.book, None, new, 5.0) == (UNKNOWN, 0)
