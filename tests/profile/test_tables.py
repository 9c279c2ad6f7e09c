from collections import Counter

import msgspec
import pytest

from dynamo.workload.runner import Sample
from tests.profile.rooms import HTTP, LOOP, WHAT
from tests.profile.shares import Shares
from tests.profile.stacks import Frame
from tests.profile.tables import TOP, Profile, by_function, by_room

SAMPLE = Sample(
    requests=1000,
    seconds=1.0,
    rate=1000.0,
    p50_ms=1.0,
    p99_ms=2.0,
    max_ms=3.0,
    server_cpu_us=30.0,
    client_cpu_us=5.0,
    others_cores=0.0,
    faults=0,
    first_fault="",
)
HOT = Frame("/x/dynamo/api/app.py", "App.hot")


def profile(own: Counter[Frame] | None = None, requests: int = 1000) -> Profile:
    rooms = Counter({HTTP: 0.02, LOOP: 0.01})
    shares = Shares(rooms, own or Counter({HOT: 0.03}), Counter(), 7, 0.004)
    return Profile("GET R=1", msgspec.structs.replace(SAMPLE, requests=requests), shares)


def row(lines: list[str], name: str) -> list[str]:
    (line,) = [line for line in lines if line.strip().startswith(name)]
    return line.strip().removeprefix(name).split()


def test_rooms_are_microseconds_a_request():
    """Seconds over requests; rooms without time are shown; below them what they add up to."""
    lines = by_room([profile(), profile()])
    assert row(lines, HTTP)[:2] == ["20.0", "20.0"]
    assert row(lines, LOOP)[:2] == ["10.0", "10.0"]
    assert row(lines, "all")[:2] == ["30.0", "30.0"]
    assert row(lines, "of it the kernel")[:2] == ["4.0", "4.0"]
    assert len(lines) == len(WHAT) + 5


def test_functions_are_in_order_of_their_own_time():
    """The most expensive first, no more than there is room for."""
    own = Counter({Frame("/x/dynamo/api/app.py", f"f{number}"): number / 1000 for number in range(1, 40)})
    lines = by_function(profile(own))
    assert len(lines) == TOP + 1
    assert lines[1].split() == ["f39", "api/app.py", "39.0", "130.0%"]


@pytest.mark.parametrize("requests", [0, 1])
def test_a_load_that_nobody_answered_divides_by_nothing(requests: int):
    assert row(by_room([profile(requests=requests)]), "all")[0] == "30000.0"


def test_nothing_is_not_minus_nothing():
    """Differences of ticks that were read one after the other can be a little below zero."""
    assert f"{profile().us(-1e-9):.1f}" == "0.0"
