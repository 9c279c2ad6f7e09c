import pytest

from dynamo.errors import CATALOGUE, Applied, Internal, StorageFull, WriteTimeout
from dynamo.protocol.effects import PeerError, PeerFailure


@pytest.mark.parametrize(
    ("failure", "expected"),
    [(PeerFailure.DOWN, False), (PeerFailure.LOST, True), (PeerFailure.TIMEOUT, True)],
)
def test_without_an_answer_it_depends_on_whether_it_was_sent(failure: PeerFailure, expected: bool):
    """DOWN is certain that nothing happened; LOST and TIMEOUT are not."""
    assert PeerError(failure).may_have_applied is expected


@pytest.mark.parametrize(
    ("error", "expected"), [(StorageFull("full"), False), (Internal("a bug"), True), (WriteTimeout("late"), True)]
)
def test_with_an_answer_its_error_says_so(error, expected: bool):
    """A peer that failed half-way has refused, and may have acted all the same."""
    assert PeerError(PeerFailure.REFUSED, error).may_have_applied is expected


@pytest.mark.parametrize("kind", sorted(CATALOGUE.values(), key=lambda kind: kind.code), ids=lambda kind: kind.code)
def test_no_error_of_the_catalogue_is_taken_for_certain_by_mistake(kind):
    """Only errors that declare `applied` no let a writer believe that nothing happened."""
    assert PeerError(PeerFailure.REFUSED, kind("x")).may_have_applied is (kind.applied is not Applied.NO)


def test_failures_have_the_names_that_metrics_use():
    """The values are label values of a metric and fields of the transport's statistics."""
    assert [failure.value for failure in PeerFailure] == ["down", "lost", "timeout", "refused"]
