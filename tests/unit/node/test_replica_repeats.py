import pytest

from dynamo.config import RequestsSection
from dynamo.errors import (
    IdempotencyMismatch,
    WriteTimeout,
)
from dynamo.versioning.record import decode
from tests.unit.node.lone import SIBLINGS, Lone, of, theirs

# --- repeats


@pytest.mark.parametrize("value", [b"one", b"", None])
def test_a_repeat_mints_no_second_dot(lone, value):
    """While the first is still queued, and when it stands; a delete as well."""
    command = lone.world.command(b"k", value)
    lone.storage.held = True
    first = lone.replica.write(command, SIBLINGS, durable=True)
    second = lone.replica.write(command, SIBLINGS, durable=True)
    outcomes: list = []
    first.on_settled = second.on_settled = outcomes.append
    assert outcomes == []
    lone.storage.release()
    lone.world.agenda.run()
    assert outcomes == [None, None]
    assert (first.repeated, second.repeated) == (False, True)
    assert second.data == first.data == lone.replica.fetch("b", b"k")
    assert lone.metrics.repeated_requests.value == 1


def test_a_repeat_after_the_value_was_superseded(lone):
    """It is remembered, whether it was written here or came from another replica, and changes nothing."""
    request = b"q" * 16
    first = lone.write(b"k", b"one", request=request)
    lone.write(b"k", b"two", context=first.clock)
    lone.store(b"other", of(theirs(request=b"p" * 16)))
    lone.write(b"other", None)
    for key, repeated in ((b"k", request), (b"other", b"p" * 16)):
        before = lone.record(key)
        minted = lone.begin(key, b"one" if key == b"k" else b"theirs", request=repeated)
        assert minted.repeated
        assert decode(minted.data) == before


@pytest.mark.parametrize(("value", "content_type"), [(b"other", ""), (b"one", "text/plain"), (None, ""), (b"", "")])
def test_the_same_request_with_another_payload_is_refused(lone, value, content_type):
    """Whether its value still stands or not."""
    request = b"q" * 16
    first = lone.write(b"k", b"one", request=request)
    for _ in range(2):
        with pytest.raises(IdempotencyMismatch):
            lone.begin(b"k", value, request=request, content_type=content_type)
        lone.write(b"k", b"two", context=first.clock)


@pytest.mark.parametrize(("first", "second"), [(None, b""), (b"", None)])
def test_an_empty_value_is_no_delete(lone, first, second):
    """Though neither has a byte."""
    lone.write(b"k", first, request=b"q" * 16)
    with pytest.raises(IdempotencyMismatch):
        lone.begin(b"k", second, request=b"q" * 16)


def test_a_failed_write_is_not_remembered(lone):
    """Nor one of another replica that could not be stored: the repeat is a first."""
    request = b"q" * 16
    lone.storage.full = True
    lone.begin(b"k", b"one", request=request)
    lone.store(b"other", of(theirs(request=b"p" * 16)))
    lone.world.agenda.run()
    lone.storage.full = False
    assert lone.write(b"k", b"one", request=request).siblings[0].request == request
    assert lone.write(b"other", b"theirs", request=b"p" * 16).siblings[0].actor == "node1.00000002"


def test_a_repeat_behind_a_write_that_fails_fails(lone):
    """It acknowledges what the first one did, and that was nothing here; it may have carried it to other replicas."""
    command = lone.world.command(b"k", b"one")
    first = lone.replica.write(command, SIBLINGS, durable=True)
    second = lone.replica.write(command, SIBLINGS, durable=True)
    outcomes: list = []
    first.on_settled = second.on_settled = outcomes.append
    lone.storage.full = True
    lone.world.agenda.run()
    assert [type(outcome) for outcome in outcomes] == [WriteTimeout, WriteTimeout]


def test_the_memory_of_requests_is_bounded():
    """The oldest is forgotten first; while its value stands it needs no memory."""
    lone = Lone(requests=RequestsSection(repeats_remembered=2))
    requests = [bytes([i]) * 16 for i in range(3)]
    for request in requests:
        lone.write(request, b"x", request=request)
    assert lone.begin(requests[0], b"x", request=requests[0]).repeated
    for request in requests:
        lone.write(request, None)
    assert not lone.begin(requests[0], b"x", request=requests[0]).repeated
