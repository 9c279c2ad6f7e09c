"""The options of `dynamo bench run` as a plan: what can be wrong with them is said before anything starts."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dynamo.cli.connect import DURATION

if TYPE_CHECKING:
    from dynamo.load.faults import Fault
    from dynamo.load.plan import Plan
    from dynamo.report.thresholds import Threshold
    from dynamo.workload.mixes import Mix

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
PRESETS = ("a", "b", "c", "d", "e", "f", "linearizable", "cas")
CHOOSERS = ("uniform", "zipfian", "scrambled", "latest", "hotspot", "sequential", "exponential")
MODES = ("siblings", "lww", "linearizable")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The options of the load, as they were given."""

    mix: str
    keys: str | None
    records: int
    value_size: str | None
    rate: str
    spacing: str
    seconds: float
    warm_up_s: float
    closed: bool
    connections: int
    timeout_s: float
    retries: int
    routing: str
    sessions: int
    read_levels: str | None
    write_levels: str | None
    probe_rate: float
    probe_delays: str
    probe_keys: int
    seed: int
    preload: bool
    verify: bool
    prefix: str


def load_options(verb: F) -> F:
    """What is asked for, how often, of which keys, at which levels."""
    options = [
        click.option("--mix", default="b", show_default=True, metavar="NAME|FILE",
                     help=f"YCSB's A to F, a mix for linearizable buckets ({', '.join(PRESETS)}), or a TOML file."),
        click.option("--keys", type=click.Choice(CHOOSERS), help="How keys are chosen; by default as the mix says."),
        click.option("--records", type=click.IntRange(1, 2**30 - 1), default=10_000, show_default=True,
                     help="Keys that there are when the run begins."),
        click.option("--value-size", metavar="SIZES",
                     help="256, uniform:100-1000, lognormal:1000,1.5 (median, sigma) or file:NAME; by default as the "
                     "mix says."),
        click.option("--rate", default="500", show_default=True, metavar="RATE|STAGES",
                     help="Operations a second, or stages: 200:10s,400:10s steps, 100-1000:30s climbs."),
        click.option("--spacing", type=click.Choice(["poisson", "constant"]), default="poisson", show_default=True,
                     help="How arrivals lie in time."),
        click.option("--duration", "seconds", type=DURATION, default="30s", show_default=True,
                     help="Where --rate has no stages; without the warm-up."),
        click.option("--warm-up", "warm_up_s", type=DURATION, default="2s", show_default=True,
                     help="Before that, at the first rate; counts nowhere."),
        click.option("--closed", is_flag=True,
                     help="A closed loop: each connection asks again when it has its answer. Hides queueing."),
        click.option("--connections", type=click.IntRange(1, 20_000), default=64, show_default=True,
                     help="Over all processes and nodes."),
        click.option("--timeout", "timeout_s", type=DURATION, default="2s", show_default=True,
                     help="Of an operation, from its intended start; the nodes are told the same."),
        click.option("--retries", type=click.IntRange(0, 10), default=0, show_default=True,
                     help="Of what was certainly not done, at another node; counted."),
        click.option("--routing", type=click.Choice(["round-robin", "sticky", "owner"]), default="round-robin",
                     show_default=True, help="Any node in turn, a session's own, or the key's first replica."),
        click.option("--sessions", type=click.IntRange(1, 100_000), default=64, show_default=True,
                     help="Users, whose session guarantees are checked."),
        click.option("--read-levels", metavar="LEVELS",
                     help="one,quorum,all, numbers of replicas, with weights: one=3,quorum=1. Drawn per operation "
                     "[default: quorum, or linearizable in such a bucket]."),
        click.option("--write-levels", metavar="LEVELS", help="The same for writes; all pairs are judged."),
        click.option("--probe-rate", type=click.FloatRange(0, 10_000), default=0.0, show_default=True,
                     help="Staleness probes a second: write, wait, read through another node."),
        click.option("--probe-delays", default="0,1,2,5,10,20,50,100,200,500", show_default=True, metavar="MS,...",
                     help="How long they wait."),
        click.option("--probe-keys", type=click.IntRange(1, 100_000), default=64, show_default=True),
        click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of everything drawn."),
        click.option("--preload/--no-preload", default=True, show_default=True, help="Write all keys first."),
        click.option("--verify/--no-verify", default=True, show_default=True, help="And read them back."),
        click.option("--prefix", default="load-", show_default=True, help="What all keys begin with."),
    ]  # fmt: skip
    for option in reversed(options):
        verb = option(verb)
    return verb


def mix_of(wanted: Wanted) -> Mix:
    """The mix with the options that change it. Raises click.BadParameter."""
    import msgspec

    from dynamo.workload import mixes
    from dynamo.workload.mixes import checked, from_toml

    mix = mixes.PRESETS.get(wanted.mix.lower())
    if mix is None:
        if not Path(wanted.mix).exists():
            raise click.BadParameter(f"{wanted.mix!r} is no file, and none of {', '.join(PRESETS)}", param_hint="--mix")
        mix = _right("--mix", lambda: from_toml(_text(wanted.mix)))
    if wanted.keys is not None:
        mix = msgspec.structs.replace(mix, keys=msgspec.structs.replace(mix.keys, chooser=wanted.keys))
    if wanted.value_size is not None:
        mix = msgspec.structs.replace(mix, values=msgspec.structs.replace(mix.values, sizes=wanted.value_size))
    return _right("--mix", lambda: checked(mix))


def plan_of(wanted: Wanted, mix: Mix, where: Where, *, history: bool) -> Plan:
    """The plan of the options, against that bucket. Raises click.BadParameter."""
    from dynamo.load.levels import weighted
    from dynamo.load.plan import Plan, Probing
    from dynamo.workload.stages import Stage, stages

    linearizable = where.mode == "linearizable"
    read = wanted.read_levels or ("linearizable" if linearizable else "quorum")
    write = wanted.write_levels or ("linearizable" if linearizable else "quorum")
    _refuse_levels(read, write, where)
    timed = _right("--rate", lambda: stages(wanted.rate, wanted.seconds))
    warm_up = [Stage(wanted.warm_up_s, timed[0].begin or 1.0, timed[0].begin or 1.0)] if wanted.warm_up_s else []
    delays = _right("--probe-delays", lambda: tuple(float(each) for each in wanted.probe_delays.split(",")))
    if history and not wanted.preload:
        raise click.BadParameter(
            "a history begins with what the keys hold, so it needs the preload", param_hint="--history"
        )
    if wanted.timeout_s > 60:
        raise click.BadParameter("nodes take at most 60s", param_hint="--timeout")
    return Plan(
        run=secrets.randbits(32),
        seed=wanted.seed,
        endpoints=list(where.endpoints),
        bucket=where.bucket,
        mode=where.mode,
        n=where.n,
        prefix=wanted.prefix,
        records=wanted.records,
        mix=mix,
        sizes=_right("--value-size", lambda: _sizes(mix.values.sizes)),
        reads=_right("--read-levels", lambda: weighted(read)),
        writes=_right("--write-levels", lambda: weighted(write)),
        stages=(*warm_up, *timed),
        spacing=wanted.spacing,
        closed=wanted.closed,
        warm_up_s=wanted.warm_up_s,
        timeout_s=wanted.timeout_s,
        connections=wanted.connections,
        routing=wanted.routing,
        sessions=wanted.sessions,
        retries=wanted.retries,
        probing=Probing(rate=wanted.probe_rate, delays_ms=delays, keys=wanted.probe_keys),
        records_history=history,
        preload=wanted.preload,
        verifies=wanted.verify,
    )


@dataclass(frozen=True)
class Where:
    """The bucket, and the addresses of nodes."""

    endpoints: Sequence[tuple[str, int]]
    bucket: str
    mode: str
    n: int


def checked_early(wanted: Wanted, mode: str) -> Mix:
    """The mix, after everything that can be looked at without a cluster. Raises click.BadParameter."""
    from dynamo.workload.mixes import needs_linearizable

    mix = mix_of(wanted)
    if needs_linearizable(mix) and mode not in ("", "linearizable"):
        raise click.BadParameter(f"the mix {wanted.mix} needs a linearizable bucket", param_hint="--mode")
    needs = "linearizable" if needs_linearizable(mix) else mode or "lww"
    plan_of(wanted, mix, Where((("127.0.0.1", 1),), "load", needs, 3), history=False)
    return mix


def faults_of(given: dict[str, tuple[str, ...]]) -> list[Fault]:
    """The faults of options by kind. Raises click.BadParameter."""
    from dynamo.load.faults import fault

    return [
        _right(f"--{kind}", lambda kind=kind, text=text: fault(kind, text))  # type: ignore[misc]  # bound at once
        for kind, texts in given.items()
        for text in texts
    ]


def thresholds_of(texts: Sequence[str]) -> list[Threshold]:
    """The conditions of --fail-if. Raises click.BadParameter."""
    from dynamo.report.thresholds import threshold

    return [_right("--fail-if", lambda text=text: threshold(text)) for text in texts]  # type: ignore[misc]  # the same


def pids_of(texts: Sequence[str]) -> dict[str, int]:
    """`node2=4711`. Raises click.BadParameter."""
    found = {}
    for text in texts:
        name, _, number = text.partition("=")
        if not name or not number.isdecimal():
            raise click.BadParameter(f"{text!r} is not NAME=PID", param_hint="--pid")
        found[name] = int(number)
    return found


def _refuse_levels(read: str, write: str, where: Where) -> None:
    for option, text in (("--read-levels", read), ("--write-levels", write)):
        words = [part.split("=")[0].strip() for part in text.split(",")]
        if where.mode != "linearizable" and "linearizable" in words:
            raise click.BadParameter("linearizable needs a bucket of that mode", param_hint=option)
        if where.mode == "linearizable" and option == "--write-levels" and words != ["linearizable"]:
            raise click.BadParameter("a linearizable bucket has one level of writes", param_hint=option)
        if any(word.isdecimal() and int(word) > where.n for word in words):
            raise click.BadParameter(f"the bucket has {where.n} replicas of a key", param_hint=option)


def _sizes(text: str) -> tuple[int, ...]:
    """What a file of sizes holds; nothing for other distributions, which are only looked at."""
    from dynamo.workload.value_sizes import sizes

    sizes(text, _text)
    name = text.removeprefix("file:")
    return () if name == text else tuple(int(line) for line in _text(name).split())


def _text(name: str) -> str:
    return Path(name).read_text(encoding="utf-8")


def _right(option: str, make: Callable[[], T]) -> T:
    try:
        return make()
    except (ValueError, OSError) as problem:
        raise click.BadParameter(str(problem), param_hint=option) from problem
