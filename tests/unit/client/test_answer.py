import json

import pytest
from multidict import CIMultiDict

from dynamo import errors
from dynamo.client.answer import Answer, failure, version_of


def answer(status: int, body: object = b"", **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, CIMultiDict({name.replace("_", "-"): text for name, text in headers.items()}), raw)


@pytest.mark.parametrize("kind", errors.CATALOGUE.values(), ids=lambda kind: kind.code)
def test_each_code_becomes_its_class_again(kind):
    """With its detail and its extra members."""
    body = {"type": "t", "title": "x", "status": 400, "detail": "why", "instance": "i", "code": kind.code, "limit": 3}
    error = failure(answer(kind.http_status, body))
    assert type(error) is errors.from_code(kind.code, "").__class__
    assert (error.detail, error.members) == ("why", {"limit": 3})


def test_a_code_of_a_newer_node_is_an_error_of_unknown_outcome():
    """It must not be taken for a success, nor for nothing done."""
    error = failure(answer(599, {"code": "brand-new", "detail": "d"}))
    assert isinstance(error, errors.Internal)
    assert error.applied is errors.Applied.UNKNOWN


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, errors.BadRequest), (502, errors.Internal), (302, errors.Internal), (100, errors.Internal)],
)
def test_an_answer_from_below_the_application_becomes_an_error(status, kind):
    """Plain text of the HTTP library or of a proxy, shortened to a line."""
    error = failure(answer(status, b"Bad\n  Request" + b"x" * 1000))
    assert type(error) is kind
    assert error.detail.startswith(f"HTTP {status}: Bad Request")
    assert len(error.detail) < 250


@pytest.mark.parametrize(("text", "version"), [("0", 0), ("17", 17), ("-1", None), ("\u00b2", None), ("", None)])
def test_a_version_is_a_whole_number(text: str, version: int | None):
    """What is none is no version, so the key is taken for one of another kind of bucket."""
    assert version_of(answer(200, Dynamo_Version=text)) == version


def test_an_answer_without_a_version_has_none():
    """Keys of other buckets."""
    assert version_of(answer(200)) is None
