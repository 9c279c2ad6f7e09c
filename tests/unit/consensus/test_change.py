import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.consensus import change
from dynamo.consensus.change import Change, bare, evaluate, fingerprint, moment_of, read_outcome
from dynamo.consensus.requests import KEEP_MAX, UNNAMED_MS
from dynamo.errors import (
    Applied,
    CalledOff,
    DynamoError,
    IdempotencyMismatch,
    NotAnInteger,
    OutcomeForgotten,
    WriteTimeout,
)
from dynamo.layout.register import ABSENT, UNNAMED, Done, Register, decode, encode, of_floor, packed
from dynamo.protocol.commands import Action, ChangeOutcome, Condition
from tests.unit.consensus import broken
from tests.unit.consensus.hand import command

BALLOT = (1_790_000_000_000, "a~1", 3)
R, S, T = b"r" * 16, b"s" * 16, b"t" * 16


def make(action: Action = Action.SET, request: bytes = R, **asked) -> Change:
    return Change(command(action, request, **asked))


def one(register: Register, asked: Change, ballot=BALLOT) -> tuple[Register, ChangeOutcome | DynamoError]:
    after, (result,), changed = evaluate(register, [asked], ballot[0])
    assert changed == (after is not register)
    return after, result


def done(register: Register, asked: Change) -> tuple[Register, ChangeOutcome]:
    after, result = one(register, asked)
    assert isinstance(result, ChangeOutcome)
    return after, result


def test_a_set_makes_the_next_version_stamped_with_the_moment():
    """Value, type and metadata as asked; time and request as decided; an entry that a repeat will find."""
    asked = make(value=b"v", content_type="text/plain", meta={"m": "1"})
    after, result = done(ABSENT, asked)
    assert (after.version, after.value, after.content_type, after.meta) == (1, b"v", "text/plain", {"m": "1"})
    assert (after.counter, after.request) == (BALLOT[0], R)
    assert [(entry.request, entry.version, entry.counter) for entry in after.entries] == [(R, 1, BALLOT[0])]
    assert (result.applied, result.version, result.repeated, result.deleted) == (True, 1, False, False)
    assert decode(result.register) == msgspec.structs.replace(after, done=b"")


def test_one_without_a_name_is_not_told_from_another_by_what_it_asks():
    """Its entry says so. Its coordinator, which tries again when the entry may be gone, does not make it twice."""
    asked = make(value=b"v", named=False)
    after, result = done(ABSENT, asked)
    asked.sent(result, BALLOT[0])
    assert [entry.fingerprint for entry in after.entries] == [UNNAMED]
    assert one(after, asked)[1] == msgspec.structs.replace(result, repeated=True)
    later = (BALLOT[0] + UNNAMED_MS + 1, "b~1", 0)
    register, _ = one(after, make(request=S), later)
    assert [entry.request for entry in register.entries] == [S]
    assert isinstance(one(register, asked, later)[1], OutcomeForgotten)
    assert make(value=b"v").fingerprint != UNNAMED


def test_versions_go_on_over_deletions():
    """Deleting what is absent is a change, too; and a key made again goes on from there."""
    register = ABSENT
    for number, action in enumerate([Action.SET, Action.DELETE, Action.DELETE, Action.SET, Action.ADD]):
        register, result = done(register, make(action, b"%016d" % number, value=b"1"))
        assert result.version == register.version == number + 1
        assert result.deleted == (register.value is None) == (action is Action.DELETE)
    assert register.value == b"1"
    assert Register(version=7, dropped=7).version + 1 == one(Register(version=7, dropped=7), make())[0].version


def test_a_failed_condition_and_a_read_show_what_they_saw():
    """They change nothing and leave no entry."""
    register, _ = one(ABSENT, make(value=b"v"))
    for asked in (make(Action.READ, S), make(request=S, condition=Condition(version=9), value=b"w")):
        after, result = done(register, asked)
        assert after is register
        assert (result.applied, result.version) == (False, 1)
        assert decode(result.register).value == b"v"
        assert decode(result.register).done == b""
    after, result = done(ABSENT, make(Action.READ))
    assert (result.version, decode(result.register), result.deleted) == (0, ABSENT, False)


@pytest.mark.parametrize(
    ("value", "amount", "expected"),
    [
        (b"41", 1, b"42"),
        (b"-3", 5, b"2"),
        (b"0", -7, b"-7"),
        (b"007", 1, b"8"),
        (b"9223372036854775806", 1, b"9223372036854775807"),
        (b"9223372036854775807", 1, None),
        (b"-9223372036854775807", -1, b"-9223372036854775808"),
        (b"-9223372036854775808", -1, None),
        (b"1" * 5000, 1, None),
        (b"", 1, None),
        (b"-", 1, None),
        (b"--1", 1, None),
        (b"1_000", 1, None),
        (b" 1", 1, None),
        (b"1.5", 1, None),
        ("٣".encode(), 1, None),
    ],
)
def test_adding(value, amount, expected):
    """To decimal integers of 64 bits only; all else is refused, definitely, and nothing is changed."""
    register = Register(3, value, "text/x", {"m": "1"})
    after, result = one(register, make(Action.ADD, amount=amount))
    if expected is None:
        assert isinstance(result, NotAnInteger)
        assert result.applied is Applied.NO
        assert after is register
    else:
        assert (after.value, after.version, after.content_type, after.meta) == (expected, 4, "text/x", {"m": "1"})


def test_adding_to_nothing_counts_from_zero():
    made, _ = one(ABSENT, make(Action.ADD, amount=5))
    assert (made.value, made.content_type) == (b"5", "text/plain")
    assert one(ABSENT, make(Action.ADD, content_type="text/x"))[0].content_type == "text/x"
    assert one(Register(3, None), make(Action.ADD, amount=-5))[0].value == b"-5"


def test_changes_are_folded_in_order_each_with_its_result():
    """Each sees what the one before left; one compare and set of two wins."""
    cas = Condition(version=1)
    after, results, changed = evaluate(
        ABSENT,
        [
            make(request=R, value=b"1"),
            make(request=S, value=b"2", condition=cas),
            make(request=T, value=b"3", condition=cas),
            make(Action.READ, b"u" * 16),
        ],
        BALLOT[0],
    )
    assert changed
    assert [(result.applied, result.version) for result in results if isinstance(result, ChangeOutcome)] == [
        (True, 1),
        (True, 2),
        (False, 2),
        (False, 2),
    ]
    assert (after.version, after.value) == (2, b"2")


ACTIONS = st.sampled_from([Action.SET, Action.DELETE, Action.ADD, Action.READ, Action.RESOLVE])
ASKED = st.lists(
    st.tuples(ACTIONS, st.integers(0, 5), st.integers(0, 5), st.sampled_from([None, 0, 1, 2])), max_size=25
)


@given(ASKED)
def test_a_request_takes_effect_once_and_versions_count_the_changes(asked):
    """Whatever is repeated, resolved and refused in whatever order, in one fold or in many."""
    changes = [
        make(
            action,
            b"%d-%014d" % (list(Action).index(action), number),
            target=b"%d-%014d" % (list(Action).index(Action.ADD), target),
            condition=None if version is None or action is Action.RESOLVE else Condition(version=version),
            value=b"7",
            amount=1,
        )
        for action, number, target, version in asked
    ]
    register, applied = ABSENT, []
    for one_by_one in changes:
        after, (result,), _ = evaluate(register, [one_by_one], BALLOT[0])
        if isinstance(result, ChangeOutcome) and result.applied and not result.repeated:
            applied.append(one_by_one.command.request)
            assert after.version == register.version + 1
        else:
            assert (after.version, after.value) == (register.version, register.value)
        register = after
    assert len(applied) == len(set(applied)) == register.version
    folded, results, _ = evaluate(ABSENT, changes, BALLOT[0])
    assert folded == register
    assert len(results) == len(changes)


def test_a_repeat_gets_what_the_request_did():
    """Its version, and its register while that is the current one. It changes nothing (row 17)."""
    first = make(Action.ADD, amount=1)
    register, _ = one(ABSENT, first)
    after, result = done(register, make(Action.ADD, amount=1))
    assert after is register
    assert (result.applied, result.version, result.repeated) == (True, 1, True)
    assert decode(result.register).value == b"1"
    later, _ = one(register, make(Action.DELETE, S))
    _, result = done(later, make(Action.ADD, amount=1))
    assert (result.applied, result.version, result.register, result.deleted) == (True, 1, b"", False)
    _, result = done(later, make(Action.DELETE, S))
    assert (result.version, result.deleted) == (2, True)
    with broken.repeats_not_recognised():
        assert one(register, make(Action.ADD, amount=1))[0].value == b"2"


def test_the_same_request_asking_for_something_else_is_a_mistake():
    register, _ = one(ABSENT, make(value=b"v"))
    for other in (make(value=b"w"), make(Action.DELETE), make(value=b"v", condition=Condition(version=0))):
        after, result = one(register, other)
        assert isinstance(result, IdempotencyMismatch)
        assert after is register


def test_what_is_called_off_never_takes_effect():
    """A resolve of a request that is not there puts it there as called off; the version stays."""
    register, _ = one(ABSENT, make(request=R, value=b"v"))
    after, result = done(register, make(Action.RESOLVE, S, target=T))
    assert (result.applied, result.version, result.repeated) == (False, 1, False)
    assert (after.version, after.value, after.request) == (1, b"v", R)
    assert after is not register
    for _ in range(2):
        late, refused = one(after, make(request=T, value=b"late"))
        assert isinstance(refused, CalledOff)
        assert refused.applied is Applied.NO
        assert late is after
    again, result = done(after, make(Action.RESOLVE, b"u" * 16, target=T))
    assert again is after
    assert (result.applied, result.repeated) == (False, True)


def test_resolving_what_was_applied_says_what_it_did():
    register, _ = one(ABSENT, make(Action.DELETE, R))
    after, result = done(register, make(Action.RESOLVE, S, target=R))
    assert after is register
    assert (result.applied, result.version, result.deleted, result.repeated) == (True, 1, True, True)


def test_a_table_that_was_cut_short_resolves_nothing():
    """More changes than it holds within the window: the request may have been one of those that were dropped."""
    register = ABSENT
    for number in range(KEEP_MAX + 1):
        register, _ = one(register, make(request=b"%016d" % number))
    after, result = one(register, make(Action.RESOLVE, S, target=T))
    assert isinstance(result, WriteTimeout)
    assert result.applied is Applied.UNKNOWN
    assert after is register
    _, found = done(register, make(Action.RESOLVE, S, target=b"%016d" % KEEP_MAX))
    assert found.applied


def test_a_change_that_was_sent_and_may_have_been_dropped_stays_unknown():
    """Only if entries of its version were; below that it would be there, and so was not applied."""
    register = Register(30, b"v", dropped=20)
    for proposed, known in ((20, False), (5, False), (21, True), (31, True), (0, True)):
        asked = make(value=b"w")
        asked.proposed = proposed
        after, result = one(register, asked)
        if known:
            assert after.version == 31
        else:
            assert isinstance(result, WriteTimeout)
            assert after is register


def test_a_change_of_just_now_was_not_dropped():
    """Its entry would be young: what was dropped was older. Not so if the table is full, or
    forgotten, or it was found there once.
    """
    moment = BALLOT[0]
    long_ago = Register(30, b"v", done=packed(Done(S, 7, 30, moment - 2 * UNNAMED_MS)), dropped=20)
    full = Register(30, b"v", done=packed(*[Done(b"%016d" % n, 7, n, moment) for n in range(KEEP_MAX)]), dropped=20)
    ahead = Register(30, b"v", done=packed(Done(S, 7, 30, moment + UNNAMED_MS + 1)), dropped=20)
    made = ChangeOutcome(True, 17, b"", "")
    found = ChangeOutcome(True, 17, b"", "", repeated=True)
    for register, sent, since, known in (
        (long_ago, [made], moment, True),
        (long_ago, [made, made], moment - UNNAMED_MS, True),
        (long_ago, [made], moment - UNNAMED_MS - 1, False),
        (long_ago, [found, made], moment, False),
        (long_ago, [made, found], moment, False),
        (full, [made], moment, False),
        (ahead, [made], moment, False),
        (of_floor(30), [made], moment, False),
    ):
        asked = make(value=b"w")
        for result in sent:
            asked.sent(result, since)
        after, (result,), _ = evaluate(register, [asked], moment_of(register, BALLOT))
        assert isinstance(result, ChangeOutcome if known else OutcomeForgotten)
        assert after.version == (31 if known else 30)


def test_moments_never_fall():
    """A coordinator with a slow clock goes on from what was decided by one whose clock is ahead."""
    assert moment_of(ABSENT, BALLOT) == BALLOT[0]
    assert moment_of(Register(1, b"v", counter=BALLOT[0] + 5), BALLOT) == BALLOT[0] + 5
    called_off = Register(1, b"v", counter=BALLOT[0] - 9, done=packed(Done(S, 0, 0, BALLOT[0] + 7)))
    assert moment_of(called_off, BALLOT) == BALLOT[0] + 7
    assert moment_of(Register(1, b"v", counter=BALLOT[0] - 9), BALLOT) == BALLOT[0]


def test_a_change_that_somebody_else_had_before_needs_a_table_that_covers_the_window():
    """It may have been made there, and its entry dropped since: this coordinator does not know at which version."""
    register = ABSENT
    for number in range(KEEP_MAX + 1):
        register, _ = one(register, make(request=b"%016d" % number))
    after, result = one(register, Change(command(request=S), doubtful=True))
    assert isinstance(result, WriteTimeout)
    assert after is register
    assert one(register, Change(command(request=S)))[0].version == KEEP_MAX + 2
    assert one(ABSENT, Change(command(request=S), doubtful=True))[0].version == 1


def test_sent_keeps_the_lowest_version():
    """From the first Accept on that holds it; a later attempt may count further."""
    asked = make(value=b"v")
    _, result = one(ABSENT, asked)
    _, later = one(Register(8, b"x"), asked)
    asked.sent(later, BALLOT[0])
    assert asked.proposed == 9
    asked.sent(result, BALLOT[0])
    asked.sent(later, BALLOT[0])
    assert asked.proposed == 1


def test_what_was_not_put_into_the_accept_was_not_sent():
    """A failed condition, a read, a refusal. What was found there already, or called off by this, was."""
    register, _ = one(ABSENT, make(value=b"v"))
    for asked, is_in in (
        (make(Action.READ, S), False),
        (make(request=S, condition=Condition(version=9)), False),
        (make(value=b"other"), False),
        (make(value=b"v"), True),
        (make(Action.RESOLVE, S, target=T), True),
    ):
        asked.sent(one(register, asked)[1], BALLOT[0])
        assert (asked.proposed > 0) == is_in, asked.command


def test_a_sent_change_may_surface_until_it_is_seen_applied():
    """Before it was sent no answer of this coordinator can be overtaken by it."""
    asked = make(value=b"v", condition=Condition(version=0))
    _, refused = one(Register(4, b"x", request=S), asked)
    assert not asked.may_surface(refused)
    _, applied = one(ABSENT, asked)
    asked.sent(applied, BALLOT[0])
    assert asked.may_surface(refused)
    assert asked.may_surface(IdempotencyMismatch("other"))
    assert not asked.may_surface(applied)


def test_evaluation_depends_on_nothing_but_register_changes_and_ballot():
    """Evaluated again it gives the same bytes: no clock, no draw (row 18)."""
    register, changes = Register(2, b"3"), [make(Action.ADD, amount=2), make(request=S, value=b"x")]
    twice = [encode(evaluate(register, changes, BALLOT[0])[0]) for _ in range(2)]
    assert twice[0] == twice[1]
    with broken.stamped_with_a_clock():
        twice = [encode(change.evaluate(register, changes, BALLOT[0])[0]) for _ in range(2)]
    assert twice[0] != twice[1]


def test_outcomes_do_not_carry_the_list_of_requests():
    register, _ = one(ABSENT, make(value=b"v"))
    assert decode(bare(register)) == Register(1, b"v", "", {}, BALLOT[0], R)
    assert read_outcome(encode(register)).register == bare(register)
    assert read_outcome(b"").version == 0
    assert read_outcome(encode(Register(4, None))).deleted


def test_fingerprints_tell_payloads_apart():
    """Everything that is asked for; neither the request's name nor what a resolve is about."""
    asked = [
        command(),
        command(Action.DELETE),
        command(value=b"v"),
        command(content_type="t"),
        command(meta={"m": "1"}),
        command(amount=1),
        command(condition=Condition(version=0)),
        command(condition=Condition(exists=False)),
    ]
    assert len({fingerprint(one) for one in asked}) == len(asked)
    assert fingerprint(command(request=R)) == fingerprint(command(request=S))
    assert fingerprint(command(meta={"a": "1", "b": "2"})) == fingerprint(command(meta={"b": "2", "a": "1"}))
