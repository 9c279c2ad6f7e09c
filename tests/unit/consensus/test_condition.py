import pytest

from dynamo.consensus.condition import holds
from dynamo.consensus.record import as_record
from dynamo.layout.register import ABSENT, Register
from dynamo.protocol.commands import Condition
from dynamo.versioning.record import etag

LIVE = Register(3, b"v", request=b"r" * 16)
DELETED = Register(4, None, request=b"s" * 16)
FORGOTTEN = Register(version=9, dropped=9)
TAG = etag(as_record(LIVE))


@pytest.mark.parametrize(
    ("condition", "register", "expected"),
    [
        (Condition(), ABSENT, True),
        (Condition(exists=True), LIVE, True),
        (Condition(exists=True), DELETED, False),
        (Condition(exists=False), DELETED, True),
        (Condition(exists=False), ABSENT, True),
        (Condition(exists=False), LIVE, False),
        (Condition(version=3), LIVE, True),
        (Condition(version=2), LIVE, False),
        (Condition(version=0), LIVE, False),
        (Condition(version=4), DELETED, True),
        (Condition(version=0), DELETED, False),
        (Condition(version=0), ABSENT, True),
        (Condition(version=0), FORGOTTEN, True),
        (Condition(version=9), FORGOTTEN, False),
        (Condition(version=8), FORGOTTEN, False),
        (Condition(etags=[TAG]), LIVE, True),
        (Condition(etags=["0" * 16, TAG]), LIVE, True),
        (Condition(etags=["0" * 16]), LIVE, False),
        (Condition(etags=[etag(as_record(DELETED))]), DELETED, False),
        (Condition(value=b"v"), LIVE, True),
        (Condition(value=b"w"), LIVE, False),
        (Condition(value=b""), DELETED, False),
        (Condition(exists=True, version=3, etags=[TAG], value=b"v"), LIVE, True),
        (Condition(exists=True, version=3, etags=[TAG], value=b"w"), LIVE, False),
    ],
)
def test_all_that_is_asked_must_hold(condition, register, expected):
    """A deleted key has a version, but no value and no tag; one that was never written, or is forgotten, has 0."""
    assert holds(condition, register) is expected
