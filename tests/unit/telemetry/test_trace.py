import pytest

from dynamo.telemetry.trace import mint, request_id

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize("given", ["a", "A-b_c.9", "x" * 64])
def test_a_sane_id_is_kept(given: str):
    """What the client calls its request is what everybody calls it."""
    assert request_id(given, f"00-{TRACE}-00f067aa0ba902b7-01") == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\n", "a;b", "\u00e9", 'a"'])
def test_an_insane_id_is_replaced(given: str):
    """Nothing that could break a header or a log line is echoed."""
    assert request_id(given, None) != given


def test_the_trace_id_is_next():
    """Without a Request-Id, the W3C trace id names the request."""
    assert request_id(None, f"00-{TRACE}-00f067aa0ba902b7-01") == TRACE


@pytest.mark.parametrize("header", ["", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", f"00-{TRACE}", f"zz-{TRACE}-x-01"])
def test_a_broken_traceparent_is_ignored(header: str):
    """An all-zero or malformed trace id names nothing."""
    assert TRACE not in request_id(None, header)
    assert "0" * 32 not in request_id(None, header)


def test_minted_ids_are_sane_and_distinct():
    """They may be sent back to us as Request-Id, and never repeat."""
    ids = [mint() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(request_id(each, None) == each for each in ids)
