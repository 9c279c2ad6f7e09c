"""The short way to the words of a linearizable key says what the long way says, in the same order."""

from types import SimpleNamespace

import pytest

from dynamo.api.answer import lines_of
from dynamo.api.records import Records
from dynamo.api.register_lines import Told, lines_of_change, lines_of_value
from dynamo.api.registers import Registers, shown_of
from dynamo.layout.register import Register, encode
from dynamo.protocol.commands import ChangeOutcome
from tests.api.fake_node import FakeNode
from tests.api.serving import fake_config

KEY = b"a \xff key"
MILLISECONDS = 1_764_000_000_123
TEXT = Register(3, b"ada", "text/plain; charset=utf-8", {}, MILLISECONDS, b"r" * 16)
REGISTERS = {
    "text": TEXT,
    "no type": Register(1, b"", "", {}, MILLISECONDS, b"r" * 16),
    "other letters": Register(2**40, b"x" * 300, "text/\u00e4", {}, 1, b"r" * 16),
    "fields of its own": Register(7, b"x", "a/b", {"author": "Ada"}, MILLISECONDS, b"r" * 16),
    "deleted": Register(9, None, "", {}, MILLISECONDS, b"r" * 16),
}


def outcome_of(register: Register, *, repeated: bool = False, replaced: bool = False) -> ChangeOutcome:
    shown = b"" if replaced else encode(register)
    return ChangeOutcome(True, register.version, shown, "node1", repeated=repeated, deleted=register.value is None)


class Rig:
    """The handlers, and a call as they get it."""

    def __init__(self) -> None:
        self.node = FakeNode(fake_config())
        self.registers = Registers(self.node)
        self.records = Records(self.node, self.registers)
        self.call = SimpleNamespace(trace="t-1", request=SimpleNamespace(headers={}))

    def told(self, outcome: ChangeOutcome) -> bytes:
        return lines_of_change(Told("lin", KEY, outcome), outcome, self.call.trace, self.node.ring.epoch)

    def long_way(self, outcome: ChangeOutcome) -> bytes:
        return lines_of(self.registers.fields(self.call, shown_of("lin", KEY, outcome), outcome))


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.mark.parametrize("repeated", [False, True])
@pytest.mark.parametrize("replaced", [False, True])
@pytest.mark.parametrize("name", REGISTERS)
def test_a_change_is_told_in_the_same_words(rig: Rig, name: str, replaced: bool, repeated: bool):
    outcome = outcome_of(REGISTERS[name], repeated=repeated, replaced=replaced)
    assert rig.told(outcome) == rig.long_way(outcome)
    told, shown = Told("lin", KEY, outcome), shown_of("lin", KEY, outcome)
    assert (told.tag, told.context, told.exists) == (shown.tag(), shown.context(), bool(shown.live))


@pytest.mark.parametrize("name", ["text", "no type", "other letters"])
def test_a_value_is_shown_with_the_same_fields(rig: Rig, name: str):
    outcome = outcome_of(REGISTERS[name])
    answer = rig.registers.plain_value(rig.call, "lin", KEY, outcome)
    full = rig.records._shown(rig.call, shown_of("lin", KEY, outcome), "all")
    assert answer is not None
    assert (answer.status, answer.fixed, answer.payload) == (full.status, lines_of(full.fields), full.payload)


@pytest.mark.parametrize("name", ["fields of its own", "deleted"])
def test_what_is_not_plain_goes_the_long_way(rig: Rig, name: str):
    assert rig.registers.plain_value(rig.call, "lin", KEY, outcome_of(REGISTERS[name])) is None


def test_a_key_that_was_never_written_goes_the_long_way(rig: Rig):
    assert rig.registers.plain_value(rig.call, "lin", KEY, outcome_of(Register())) is None


def test_a_field_that_would_break_out_of_its_line_is_not_written(rig: Rig):
    """No such type is let in; what is damaged on the disk must not become header fields."""
    outcome = outcome_of(Register(1, b"v", "a\r\nb: c", {}, MILLISECONDS, b"r" * 16))
    assert lines_of_value(Told("lin", KEY, outcome), "node1", "t-1", 7) is None
