import json

from dynamo.growth.growth import Growth, Plan
from dynamo.growth.growth_report import Report, lines, memory, write
from dynamo.growth.idle_connections import IdleConnections
from tests.unit.growth.figures import curves, sample

IDLE = IdleConnections(count=1000, before_bytes=2**20, after_bytes=2**20 + 5_000_000)


def report() -> Report:
    found = Growth(curves=[curves("keys", PUT=[100, 101, 99]), curves("partitions", GET=[10, 100, 1000])], idle=IDLE)
    return Report(taken="now", machine={"Python": "3"}, plan=Plan(), found=found)


def test_every_point_and_every_verdict_is_shown():
    """And what deserves attention stands at the end."""
    shown = "\n".join(lines(report()))
    assert "100 keys, PUT" in shown
    assert "PUT: flat. Exponent -0.00" in shown
    assert "GET: superlinear (ATTENTION). Exponent 1.00, between the two largest sizes 1.00; allowed 0.2" in shown
    assert shown.endswith("Superlinear: partitions, GET")


def test_memory_is_told_from_differences():
    """So that what a node needs for itself is nobody's share."""
    assert memory(report().found) == [
        "An idle connection: 5,000 bytes of memory (1,000 of them; 1.0 to 5.8 MiB)",
        "A key, from 10 to 100: 3.0 bytes of memory after a start, 200 in LMDB's file, 150 of them in use",
        "A key, from 100 to 1,000: 3.0 bytes of memory after a start, 200 in LMDB's file, 150 of them in use",
        "A partition, from 10 to 1,000: 3 bytes of memory in all three nodes",
    ]
    assert memory(Growth(curves=[curves("nodes", PUT=[1, 2])])) == []


def test_a_wrong_answer_is_a_fault_of_the_run():
    """Refusals are none."""
    made = report()
    points = made.found.curves[0].points
    points.append(type(points[0])(size=5, operation="PUT", sample=sample(1.0, faults=2, refused=9)))
    assert made.faults == ["keys 5 PUT: 2 faults, first: status 500"]
    assert "FAULTS  keys 5 PUT: 2 faults, first: status 500" in lines(made)


def test_the_file_has_samples_and_verdicts(tmp_path):
    """In a folder that is made for it."""
    file = tmp_path / "new" / "growth.json"
    write(report(), file)
    content = json.loads(file.read_text())
    first = content["found"]["curves"][0]
    assert [point["sample"]["server_cpu_us"] for point in first["points"]] == [100, 101, 99]
    assert first["verdicts"][0]["word"] == "flat"
    assert len(content["memory"]) == 4
