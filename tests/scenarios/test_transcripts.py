from pathlib import Path

import pytest

from tests.scenarios.transcript import NOTHING, parse, record_of, run, shown

TRANSCRIPTS = sorted(Path(__file__).parent.glob("*.txt"))


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_transcript_is_what_happens(path: Path, rewrite: bool):
    """Each step's output is what the machine gives, to the letter."""
    text = path.read_text()
    happened = run(text)
    if rewrite:
        path.write_text(happened)
    assert happened == text or rewrite


def test_every_machine_has_transcripts():
    """Reads, writes, forwards and scans are all told."""
    commands = [step.command.split()[0] for path in TRANSCRIPTS for step in parse(path.read_text()) if step.command]
    assert {"read", "write", "forward", "scan"} <= set(commands)


def test_a_wrong_transcript_is_noticed():
    """Another record, a missing line, a line too many."""
    right = run("read a b c\n----\n\nreply a a1=x\n----\n\nreply b a1=x\n----\n")
    assert run(right) == right
    for was, becomes in [("a1=x from 2", "a1=y from 2"), ("send b fetch\n", ""), (f"\n{NOTHING}\n", "\ndrained\n")]:
        assert was in right
        assert run(right.replace(was, becomes)) == right != right.replace(was, becomes)


@pytest.mark.parametrize("text", ["none", "a1=x", "a1=x,b2=-", "a1=x@9/a3,c1", "b2=y/a1", "/a3"])
def test_the_notation_of_records(text: str):
    """There and back."""
    assert shown(record_of(text)) == text
