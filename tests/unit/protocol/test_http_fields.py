import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.protocol import http_fields
from dynamo.protocol.http_fields import parse_duration_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("0ms", 0.0),
        ("2s", 2.0),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("1m", 60.0),
        ("3h", 10_800.0),
        ("7d", 604_800.0),
        ("007s", 7.0),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float):
    """Milliseconds to days."""
    assert parse_duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2",
        "s",
        "ms",
        "-1s",
        "+1s",
        "1 s",
        " 1s",
        "1s ",
        "1e3s",
        "1.2.3s",
        ".s",
        "1S",
        "1w",
        "1ms2s",
        "infs",
        "nans",
        "\u0663s",
        "9" * 400 + "s",
        "9" * 305 + "d",
    ],
)
def test_anything_else_is_refused(text: str):
    """A number without a unit above all: milliseconds or seconds is not for us to guess."""
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration_s(text)


@given(st.text(max_size=12))
def test_a_duration_is_finite_and_not_negative(text: str):
    """Whatever is given: a number that a deadline can be made of, or ValueError."""
    try:
        seconds = parse_duration_s(text)
    except ValueError:
        return
    assert math.isfinite(seconds)
    assert seconds >= 0


@given(st.integers(0, 10**6), st.sampled_from([("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("d", 86400)]))
def test_the_unit_scales(count: int, unit: tuple[str, float]):
    """`count` of a unit is that many of it."""
    assert parse_duration_s(f"{count}{unit[0]}") == pytest.approx(count * unit[1])


def test_our_fields_have_our_prefix():
    """Client and server spell each header alike, and none collides with a standard one."""
    ours = [
        http_fields.CONTEXT,
        http_fields.SIBLINGS,
        http_fields.ACKS,
        http_fields.COORDINATOR,
        http_fields.EPOCH,
        http_fields.VERSION,
        http_fields.DELETED,
        http_fields.EXPIRES_AT,
        http_fields.META_PREFIX,
    ]
    assert len({name.lower() for name in ours}) == len(ours)
    assert all(name.startswith("Dynamo-") for name in ours)


def test_defaults_lie_within_their_limits():
    """A request that says nothing is a legal one."""
    assert 0 < http_fields.TIMEOUT_S_DEFAULT <= http_fields.TIMEOUT_S_MAX
    assert 0 < http_fields.LIST_LIMIT_DEFAULT <= http_fields.LIST_LIMIT_MAX
