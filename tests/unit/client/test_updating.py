import pytest

from dynamo.client.results import Changed, Conflict, Missing, Value, Written
from dynamo.client.updating import ATTEMPTS_MAX, Attempts, reading, writing, written
from dynamo.errors import PreconditionFailed

MISSING = Missing(bucket="b", key=b"k", version=3)
CONFLICT = Conflict(bucket="b", key=b"k", version=9, found=MISSING)


def value(**more: object) -> Value:
    return Value(bucket="b", key=b"k", value=b"v", version=5, **more)


def test_the_version_that_was_found_is_the_condition():
    """Also that of a key without a value; the content type stays unless another one is named."""
    attempts = Attempts(10.0, None)
    assert attempts.options(MISSING, b"new", 1.0) == {"if_version": 3, "set": b"new", "timeout_s": 1.0}
    kept = attempts.options(value(content_type="a/b"), b"new", 1.0)
    assert kept == {"if_version": 5, "set": b"new", "content_type": "a/b", "timeout_s": 1.0}
    named = Attempts(10.0, "c/d").options(value(content_type="a/b"), b"new", 1.0)
    assert named["content_type"] == "c/d"
    assert attempts.options(value(), None, 1.0) == {"if_version": 5, "delete": True, "timeout_s": 1.0}


def test_waits_grow_and_are_random():
    """Full jitter below a ceiling that doubles up to half a second."""
    longest = Attempts(1000.0, None, lambda: 1.0)
    waits = [longest.pause_s(CONFLICT, 0.0) for _ in range(7)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (0.04, 0.5)
    assert Attempts(1000.0, None, lambda: 0.0).pause_s(CONFLICT, 0.0) == 0.0


def test_there_is_an_end_by_time_and_by_number():
    """With the version that is there, and how often it was tried."""
    attempts = Attempts(1000.0, None, lambda: 0.0)
    for _ in range(ATTEMPTS_MAX - 1):
        attempts.pause_s(CONFLICT, 0.0)
    with pytest.raises(PreconditionFailed) as refused:
        attempts.pause_s(CONFLICT, 0.0)
    assert refused.value.members == {"version": 9, "attempts": ATTEMPTS_MAX}
    with pytest.raises(PreconditionFailed):
        Attempts(10.0, None, lambda: 1.0).pause_s(CONFLICT, 9.97)


def test_a_consistency_that_is_not_named_is_not_sent():
    """It is the bucket's own then."""
    assert reading(None, 1.0) == {"timeout_s": 1.0, "siblings": "all"}
    assert reading("one", 1.0) == {"timeout_s": 1.0, "siblings": "all", "consistency": "one"}
    assert writing(None, 1.0) == {"timeout_s": 1.0}
    assert writing("all", 1.0) == {"timeout_s": 1.0, "consistency": "all"}


def test_a_change_is_shown_as_a_write():
    """So that update has one kind of result in every bucket."""
    changed = Changed(bucket="b", key=b"k", version=4, etag="e", exists=False, context="c", coordinator="n", attempts=2)
    assert written(changed) == Written(
        bucket="b", key=b"k", version=4, etag="e", siblings=0, context="c", coordinator="n", attempts=2
    )
