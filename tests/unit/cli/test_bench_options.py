import click
import pytest

from dynamo.cli.bench_options import Wanted, Where, faults_of, mix_of, pids_of, plan_of, thresholds_of
from dynamo.load.faults import Fault
from dynamo.load.levels import Weighted
from dynamo.workload.stages import Stage

HERE = Where([("a", 1)], "load", "lww", 3)


def wanted(**more) -> Wanted:
    given = {
        "mix": "a",
        "keys": None,
        "records": 100,
        "value_size": None,
        "rate": "100",
        "spacing": "poisson",
        "seconds": 3.0,
        "warm_up_s": 0.0,
        "closed": False,
        "connections": 8,
        "timeout_s": 1.0,
        "retries": 0,
        "routing": "round-robin",
        "sessions": 4,
        "read_levels": None,
        "write_levels": None,
        "probe_rate": 0.0,
        "probe_delays": "0,5",
        "probe_keys": 4,
        "seed": 1,
        "preload": True,
        "verify": True,
        "prefix": "p-",
    }
    return Wanted(**{**given, **more})


def planned(where: Where = HERE, *, history: bool = False, **more):
    asked = wanted(**more)
    return plan_of(asked, mix_of(asked), where, history=history)


def test_a_plan_of_the_options():
    """Each under its own name; two plans of the same options differ in the run's number only."""
    plan = planned(probe_rate=5.0, rate="10:1s,20:2s", warm_up_s=2.0, read_levels="one,all=2")
    assert plan.stages == (Stage(2, 10, 10), Stage(1, 10, 10), Stage(2, 20, 20))
    assert plan.warm_up_s == 2
    assert plan.reads == (Weighted("one"), Weighted("all", 2.0))
    assert plan.writes == (Weighted("quorum"),)
    assert plan.probing.delays_ms == (0.0, 5.0)
    assert (plan.n, plan.mode, plan.bucket, plan.prefix) == (3, "lww", "load", "p-")


def test_a_linearizable_bucket_has_its_own_level():
    """Unless reads ask for less."""
    where = Where([("a", 1)], "load", "linearizable", 3)
    assert planned(where).reads == planned(where).writes == (Weighted("linearizable"),)
    assert planned(where, read_levels="one").reads == (Weighted("one"),)


def test_the_mix_and_what_changes_it(tmp_path):
    """A name, or a file; chooser and sizes may be named beside it, sizes may stand in a file."""
    file = tmp_path / "own.toml"
    file.write_text("[operations]\nget = 1\n")
    assert mix_of(wanted(mix="F")).operations == {"get": 50, "rmw": 50}
    mix = mix_of(wanted(mix=str(file), keys="latest", value_size="100"))
    assert (mix.operations, mix.keys.chooser, mix.values.sizes) == ({"get": 1}, "latest", "100")
    sizes = tmp_path / "sizes"
    sizes.write_text("100\n200\n")
    assert planned(value_size=f"file:{sizes}").sizes == (100, 200)


@pytest.mark.parametrize(
    ("more", "option"),
    [
        ({"mix": "z"}, "--mix"),
        ({"rate": "fast"}, "--rate"),
        ({"read_levels": "most"}, "--read-levels"),
        ({"read_levels": "4"}, "--read-levels"),
        ({"write_levels": "linearizable"}, "--write-levels"),
        ({"probe_delays": "soon"}, "--probe-delays"),
        ({"value_size": "file:none"}, "--value-size"),
        ({"timeout_s": 61.0}, "--timeout"),
        ({"preload": False, "history": True}, "--history"),
    ],
)
def test_what_is_wrong_is_said_with_its_option(more, option):
    """Before anything starts."""
    with pytest.raises(click.BadParameter) as refused:
        planned(**more)
    assert refused.value.param_hint == option


def test_a_mix_that_there_is_not():
    """The error names those that there are."""
    with pytest.raises(click.BadParameter, match="'z' is no file, and none of a, b, c, d, e, f, linearizable, cas"):
        planned(mix="z")


def test_a_linearizable_bucket_has_one_level_of_writes():
    """Another one is refused."""
    with pytest.raises(click.BadParameter, match="one level of writes"):
        planned(Where([("a", 1)], "load", "linearizable", 3), write_levels="one")


def test_other_lists_of_options():
    """Faults, processes and conditions, each with its own error."""
    assert faults_of({"kill": ("n@1s",), "start": ("n@2s",)}) == [Fault(1, "kill", "n"), Fault(2, "start", "n")]
    assert pids_of(("n=12",)) == {"n": 12}
    assert [each.name for each in thresholds_of(("p99 > 1ms", "rate < 5"))] == ["p99", "rate"]
    for make, texts, option in ((pids_of, ("n",), "--pid"), (thresholds_of, ("p99",), "--fail-if")):
        with pytest.raises(click.BadParameter) as refused:
            make(texts)
        assert refused.value.param_hint == option
    with pytest.raises(click.BadParameter) as refused:
        faults_of({"kill": ("n",)})
    assert refused.value.param_hint == "--kill"
