import pytest

from dynamo import errors
from dynamo.cli.output import exit_code, named, report, shown, size, span
from dynamo.client.results import NodeUnreachable, OutcomeUnknown


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.KeyNotFound("x"), 1),
        (errors.ModeConflict("x"), 1),
        (errors.ConfigError("x"), 1),
        (errors.InvalidParameter("x"), 2),
        (errors.BadRequest("x"), 2),
        (errors.QuorumUnavailable("x"), 3),
        (errors.ReadTimeout("x"), 3),
        (NodeUnreachable("x"), 3),
        (errors.WriteTimeout("x"), 4),
        (OutcomeUnknown("x"), 4),
        (errors.Internal("x"), 4),
        (errors.Internal("x", applied="no"), 1),
    ],
)
def test_exit_codes_say_what_a_script_must_know(error, code):
    """Failure, usage, health, doubt; what the answer said of `applied` goes before its class."""
    assert exit_code(error) == code


def test_a_verb_may_have_a_code_of_its_own_for_failures():
    """It stands in for 1 only."""
    found = [exit_code(kind("x"), 4) for kind in (errors.ModeConflict, errors.InvalidParameter, errors.ReadTimeout)]
    assert found == [4, 2, 3]
    assert exit_code(errors.Internal("x", applied="no"), 4) == 4


def test_an_error_is_one_line_whatever_its_detail(capsys):
    """Line breaks of a detail are folded."""
    report(False, "failure", "Title", "one\ntwo\r\n  three")
    assert capsys.readouterr().err == "error: Title: one two three\n"


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"abc", "abc"), ("käse".encode(), "käse"), (b"a\nb\x1b[2J", "a\\nb\\x1b[2J"), (b"\xff", "\\xff")],
)
def test_bytes_are_shown_without_harm_to_the_terminal(data, text):
    """Control characters and what is no text are escaped."""
    assert shown(data) == text


def test_long_values_are_cut():
    """To the width of their column."""
    assert shown(b"x" * 100, 10) == "xxxxxxx..."


def test_bytes_in_json_are_text_or_base64():
    """By their name."""
    assert named("key", b"k") == {"key": "k"}
    assert named("key", b"\xff") == {"key_b64": "/w=="}


def test_sizes_and_spans_are_readable():
    """One unit each."""
    assert [size(n) for n in (0, 1023, 1536, 2**30)] == ["0 B", "1023 B", "1.5 KiB", "1.0 GiB"]
    assert size(2**50) == "1024.0 TiB"
    assert [span(s) for s in (5, 90, 7200, 200_000)] == ["5s", "1.5m", "2.0h", "2.3d"]
