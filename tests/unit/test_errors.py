import re

import pytest

from dynamo.errors import CATALOGUE, Applied, DynamoError, Internal, WriteTimeout, from_code

# What a client may rely on: status and whether the store may have changed. From the API's contract.
CONTRACT = {
    "bad-request": (400, "no"),
    "invalid-parameter": (400, "no"),
    "bad-context": (400, "no"),
    "condition-needs-linearizable": (400, "no"),
    "key-not-found": (404, "no"),
    "bucket-not-found": (404, "no"),
    "route-not-found": (404, "no"),
    "method-not-allowed": (405, "no"),
    "not-acceptable": (406, "no"),
    "request-timeout": (408, "no"),
    "mode-conflict": (409, "no"),
    "bucket-exists": (409, "no"),
    "bucket-not-empty": (409, "no"),
    "too-many-buckets": (409, "no"),
    "siblings-present": (409, "no"),
    "too-many-siblings": (409, "no"),
    "not-an-integer": (409, "no"),
    "called-off": (409, "no"),
    "outcome-forgotten": (410, "unknown"),
    "precondition-failed": (412, "no"),
    "value-too-large": (413, "no"),
    "key-too-long": (414, "no"),
    "unsupported-media-type": (415, "no"),
    "idempotency-mismatch": (422, "no"),
    "precondition-required": (428, "no"),
    "headers-too-large": (431, "no"),
    "internal": (500, "unknown"),
    "corrupt-value": (500, "no"),
    "quorum-unavailable": (503, "no"),
    "overloaded": (503, "no"),
    "draining": (503, "no"),
    "not-ready": (503, "no"),
    "storage-full": (503, "no"),
    "clock-drift": (503, "no"),
    "wrong-epoch": (503, "no"),
    "read-timeout": (504, "no"),
    "context-not-reached": (504, "no"),
    "write-timeout": (504, "unknown"),
    "hints-pending": (504, "no"),
}
START_ONLY = {"bad-config", "storage-refused"}
every_error = pytest.mark.parametrize("error", [CATALOGUE[code] for code in sorted(CATALOGUE)], ids=lambda e: e.code)


def subclasses(root: type[DynamoError]) -> list[type[DynamoError]]:
    return [each for child in root.__subclasses__() for each in (child, *subclasses(child))]


def test_the_catalogue_keeps_the_contract():
    """Status and `applied` of every code that an answer can carry; no code is missing, none is unknown here."""
    answers = {code: (e.http_status, e.applied.value) for code, e in CATALOGUE.items() if code not in START_ONLY}
    assert answers == CONTRACT


def test_no_two_errors_share_a_code():
    """Each class of the tree is found by its code."""
    ours = [error for error in subclasses(DynamoError) if error.__module__ == "dynamo.errors"]
    assert len({error.code for error in ours}) == len(ours)
    assert all(CATALOGUE[error.code] is error for error in ours)


@every_error
def test_an_error_can_be_shown(error):
    """A code in kebab case, a title of its own, a status, and its detail as text."""
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", error.code)
    assert error.title
    assert 400 <= error.http_status <= 504
    raised = error("what was wrong", limit=3)
    assert str(raised) == raised.detail == "what was wrong"
    assert raised.members == {"limit": 3}


@every_error
def test_retrying_makes_sense_where_it_is_advised(error):
    """Who names a pause is a 503: nothing was sent. What the client did wrong is never to be retried as it is."""
    if error.retry_after_s is not None:
        assert error.http_status == 503
    if 400 <= error.http_status < 500 and error.http_status != 408:
        assert not error.retryable


@every_error
def test_an_error_survives_the_wire(error):
    """Code, detail and members make the same error again."""
    again = from_code(error.code, "detail", received=1)
    assert type(again) is error
    assert (again.detail, again.members) == ("detail", {"received": 1})


def test_the_root_is_internal():
    """`internal` is one class, whose outcome is unknown."""
    assert type(from_code("internal", "")) is Internal


def test_an_unknown_code_leaves_the_outcome_open():
    """A newer peer's error says nothing about what was written."""
    assert from_code("from-the-future", "").applied is Applied.UNKNOWN
    assert from_code(WriteTimeout.code, "").applied is Applied.UNKNOWN
