"""Transcripts of machines: what goes in, and below it what comes out. The text is the test.

A transcript is a list of steps. A step is a command, a line `----`, and what the machine answered, up to an empty line;
`-` is no answer at all. Lines before a command that begin with `#` tell the story. Commands:

    read a b c [r=2] [all] [lww] [context=a1,b2] [deadline=2] [pr=0] [away=c] [spare=d,e] [old] [late=0.01] [budget=1]
                                                                  start a quorum read; replicas nearest first; `old` is
                                                                  a context that may be forgotten; an answer is `late`
                                                                  after so long
    write a b c [w=2] [n=3] [pw=0] [strict] [hints] [spare=d,e] [away=c] [after=0.5] [by=d] [deadline=2]
                                                                  start a quorum write; the first one coordinates, or,
                                                                  where all are away, the node `by`; any of the words
                                                                  of hints switches them on
    forward a b c [deadline=2]                                    start forwarding a write to these candidates
    scan a b c [r=2] [lww] [deadline=2]                           start a scan of one partition
    [at SECONDS] reply PEER RECORD                                the answer to a fetch
    [at SECONDS] reply PEER stored | forwarded                    the answer to a store, to a forward
    [at SECONDS] reply PEER page KEY:RECORD ... [more]            the answer to a scan
    [at SECONDS] fail PEER down | lost | timeout | refused [CODE]
    [at SECONDS] wake

A record is its siblings, `a1=x,b2=-@9` (dot a1 with value x; dot b2, a tombstone, at hybrid time 9, which is the
counter where nothing is said), then `/a3,c1` for what its clock covers besides. `none` is no record, `damaged` is bytes
that are none. In the style of the data-driven tests of etcd's raft.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from dynamo.errors import CorruptValue, DynamoError, from_code
from dynamo.protocol.commands import ReadOutcome, WriteCommand, WriteOutcome
from dynamo.protocol.effects import Effect, Finish, Machine, PeerError, PeerFailure, Send, WakeAt
from dynamo.protocol.messages import Fetch, Fetched, Forward, Forwarded, Message, Scan, Scanned, Store, Stored
from dynamo.replication.forward import Forwarding
from dynamo.replication.hedge import Hedging
from dynamo.replication.quorum import ReadQuorum, WriteQuorum
from dynamo.replication.read import QuorumRead
from dynamo.replication.read_repair import keep_newest, keep_siblings
from dynamo.replication.scan import QuorumScan, ScanPage
from dynamo.replication.sources import Sources
from dynamo.replication.write import Acks, Handoff, QuorumWrite
from dynamo.versioning.clock import Clock, covers
from dynamo.versioning.record import Record, Sibling, decode, encode

DIVIDER = "----"
NOTHING = "-"
SIBLING = re.compile(r"(?P<actor>[a-z])(?P<counter>\d+)=(?P<value>[^@,/]+)(@(?P<hybrid>\d+))?")
DAMAGED = b"\x01these bytes fail their checksum"


def record_of(text: str) -> bytes:
    """The byte form of a record in transcript notation."""
    if text in ("none", "damaged"):
        return b"" if text == "none" else DAMAGED
    shown, _, more = text.partition("/")
    siblings = []
    for part in filter(None, shown.split(",")):
        match = SIBLING.fullmatch(part)
        assert match, f"{part!r} is no sibling"
        counter = int(match["counter"])
        value = None if match["value"] == "-" else match["value"].encode()
        siblings.append(Sibling(match["actor"], counter, int(match["hybrid"] or counter), value))
    return encode(Record(clock_of(more) | _clock_below(siblings, clock_of(more)), siblings))


def clock_of(text: str) -> Clock:
    """The clock of `a1,b2`."""
    return {part[0]: int(part[1:]) for part in filter(None, text.split(","))}


def _clock_below(siblings: list[Sibling], known: Clock) -> Clock:
    return {s.actor: max(s.counter, known.get(s.actor, 0)) for s in siblings}


def shown(data: bytes) -> str:
    """A record in transcript notation."""
    return "none" if not data else shown_record(decode(data))


def shown_record(record: Record) -> str:
    siblings = [
        f"{s.actor}{s.counter}={'-' if s.value is None else s.value.decode()}"
        + (f"@{s.hybrid}" if s.hybrid != s.counter else "")
        for s in record.siblings
    ]
    below = _clock_below(record.siblings, {})
    more = [
        f"{actor}{counter}" for actor, counter in sorted(record.clock.items()) if not covers(below, (actor, counter))
    ]
    return ",".join(siblings) + ("/" + ",".join(more) if more else "")


@dataclass
class Step:
    story: list[str]
    command: str
    output: list[str]


def parse(text: str) -> list[Step]:
    """The steps of a transcript."""
    steps = []
    for block in filter(None, (block.strip("\n") for block in text.split("\n\n"))):
        lines = block.split("\n")
        story = [line for line in lines if line.startswith("#")]
        rest = [line for line in lines if not line.startswith("#")]
        if not rest:
            steps.append(Step(story, "", []))
            continue
        assert rest[1:2] == [DIVIDER], f"a step is one command and a line {DIVIDER}: {block!r}"
        steps.append(Step(story, rest[0], rest[2:]))
    return steps


def written(steps: list[Step]) -> str:
    """The text of steps."""
    blocks = ["\n".join([*s.story, *([s.command, DIVIDER, *s.output] if s.command else [])]) for s in steps]
    return "\n\n".join(blocks) + "\n"


def run(text: str) -> str:
    """The transcript with the output that the machines give now."""
    stage = Stage()
    return written([Step(s.story, s.command, stage.perform(s.command) if s.command else []) for s in parse(text)])


class Stage:
    """The machine that the transcript is about, and the time."""

    def __init__(self) -> None:
        self._machine: Machine[object] | None = None
        self._now = 0.0
        self._finishes = 0

    def perform(self, command: str) -> list[str]:
        """Do what a command says; what came of it, line by line."""
        verb, *words = command.split()
        if verb in STARTS:
            self._machine, self._now, self._finishes = STARTS[verb](words), 0.0, 0
            return self._told(self._machine.start(0.0), was_drained=False)
        if verb == "at":
            assert float(words[0]) >= self._now, "time only grows"
            self._now = float(words[0])
            verb, *words = words[1:]
        machine = self._machine
        assert machine is not None, "first a machine"
        was_drained = machine.drained
        if verb == "reply":
            effects = machine.on_reply(words[0], _message(words[1:]), self._now)
        elif verb == "fail":
            effects = machine.on_failure(words[0], _failure(words[1:]), self._now)
        else:
            assert verb == "wake", f"{verb!r} is no command"
            effects = machine.on_wakeup(self._now)
        assert not (was_drained and effects), "a drained machine emits nothing"
        return self._told(effects, was_drained=was_drained)

    def _told(self, effects: list[Effect], *, was_drained: bool) -> list[str]:
        machine = self._machine
        assert machine is not None
        self._finishes += sum(isinstance(effect, Finish) for effect in effects)
        assert self._finishes == (machine.outcome is not None), "one decision, and the machine knows of it"
        lines = [_effect(effect) for effect in effects]
        if machine.drained and not was_drained:
            lines.append(f"drained{_accounts(machine)}")
        return lines or [NOTHING]


def _message(words: list[str]) -> Message:
    if words == ["stored"]:
        return Stored()
    if words == ["forwarded"]:
        return Forwarded(WriteOutcome(record_of("a1=x"), 2, 0, "a"))
    if words[0] == "page":
        entries = [
            (key.encode(), record_of(record)) for key, record in (w.split(":", 1) for w in words[1:] if w != "more")
        ]
        return Scanned(entries, words[-1] == "more")
    assert len(words) == 1, f"{words} is no answer"
    return Fetched(record_of(words[0]))


def _failure(words: list[str]) -> PeerError:
    failure = PeerFailure(words[0])
    return PeerError(failure, from_code(words[1], "refused in a transcript") if len(words) > 1 else None)


def _effect(effect: Effect) -> str:
    if isinstance(effect, Send):
        until = f" until {effect.deadline:g}" if effect.deadline else ""
        return f"send {effect.to} {_sent(effect.message)}{until}"
    if isinstance(effect, WakeAt):
        return f"wake {effect.when:g}"
    return f"finish {_outcome(effect.outcome)}"


def _sent(message: Message) -> str:
    name = type(message).__name__.lower()
    hinted = f" for {message.hint_for}" if isinstance(message, Fetch | Store) and message.hint_for else ""
    return f"{name} {shown(message.record)}{hinted}" if isinstance(message, Store) else f"{name}{hinted}"


def _outcome(outcome: object) -> str:
    if isinstance(outcome, DynamoError):
        members = "".join(f" {name}={value}" for name, value in sorted(outcome.members.items()))
        kept = "" if isinstance(outcome, CorruptValue) else members
        return f"{outcome.code}, applied {outcome.applied.value}{kept}"
    if isinstance(outcome, ReadOutcome):
        repaired = f", {outcome.repaired} repaired before" if outcome.repaired else ""
        record = "none" if outcome.record is None else shown_record(outcome.record)
        return f"{record} from {outcome.replicas}{repaired}"
    if isinstance(outcome, Acks):
        return f"acknowledged by {outcome.primaries} primaries, {outcome.fallbacks} fallbacks"
    if isinstance(outcome, ScanPage):
        entries = " ".join(f"{key.decode()}:{shown_record(record)}" for key, record in outcome.entries)
        return f"page {entries or NOTHING}{', more' if outcome.more else ''}"
    assert isinstance(outcome, WriteOutcome)
    return f"forwarded: {outcome.coordinator} coordinated, {outcome.primaries} primaries"


def _accounts(machine: Machine[object]) -> str:
    if isinstance(machine, QuorumWrite):
        kept = f", kept: {' '.join(machine.hints)}" if machine.hints else ""
        return kept + (f", nobody keeps {machine.unkept}" if machine.unkept else "")
    if not isinstance(machine, QuorumRead):
        return ""
    hedge = f", hedge {machine.hedge}" if machine.hedge else ""
    differed = ", differed" if machine.mismatched else ""
    later = machine.mismatched or machine.repaired_later
    return f"{hedge}{differed}" + (f", {machine.repaired_later} repaired later" if later else "")


def _options(words: list[str], **defaults: str) -> tuple[tuple[str, ...], dict[str, str], frozenset[str]]:
    """Peers, options with their values, and flags."""
    given = dict(word.split("=", 1) for word in words if "=" in word)
    plain = [word for word in words if "=" not in word]
    assert given.keys() <= defaults.keys(), f"{sorted(given.keys() - defaults.keys())} is no option"
    peers = tuple(word for word in plain if len(word) == 1)
    return peers, {**defaults, **given}, frozenset(plain) - frozenset(peers)


def _read(words: list[str]) -> QuorumRead:
    peers, options, flags = _options(
        words, r="2", n="3", pr="0", deadline="2", context="", away="", spare="", late="", budget="1"
    )
    hedging = None
    if options["late"]:
        hedging = Hedging([], float(options["budget"]))
        hedging.latencies.late_s = float(options["late"])
    return QuorumRead(
        Sources(Fetch("b", b"k"), peers, _names(options["away"]), _names(options["spare"])),
        ReadQuorum(int(options["n"]), int(options["r"]), int(options["pr"]), sloppy=True),
        keep_newest if "lww" in flags else keep_siblings,
        float(options["deadline"]),
        ask_all="all" in flags,
        context=clock_of(options["context"]) or None,
        forgettable="old" in flags,
        hedging=hedging,
    )


def _write(words: list[str]) -> QuorumWrite:
    peers, options, flags = _options(words, w="2", n="3", pw="0", spare="", away="", after="0.5", by="", deadline="2")
    quorum = WriteQuorum(int(options["n"]), int(options["w"]), int(options["pw"]), 0, sloppy="strict" not in flags)
    handoff = None
    if "hints" in flags or options["spare"] or options["away"]:
        handoff = Handoff(_names(options["spare"]), _names(options["away"]), float(options["after"]))
    store = Store("b", b"k", record_of("a1=x"))
    return QuorumWrite(options["by"] or peers[0], peers, store, quorum, float(options["deadline"]), handoff)


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


def _forward(words: list[str]) -> Forwarding:
    peers, options, _ = _options(words, deadline="2")
    command = WriteCommand(bucket="b", key=b"k", value=b"x", request=b"r" * 16)
    return Forwarding(peers, Forward(command), float(options["deadline"]))


def _scan(words: list[str]) -> QuorumScan:
    peers, options, flags = _options(words, r="2", deadline="2")
    resolve = keep_newest if "lww" in flags else keep_siblings
    scan = Scan("b", 0, b"", b"", b"", 2, values=True)
    return QuorumScan(peers, scan, int(options["r"]), resolve, float(options["deadline"]))


STARTS: dict[str, Callable[[list[str]], Machine[object]]] = {
    "read": _read,
    "write": _write,
    "forward": _forward,
    "scan": _scan,
}
