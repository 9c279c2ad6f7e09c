import json

from dynamo.report.result import to_json
from tests.unit.report.results import result


def kept(folder, name: str, **more) -> str:
    (folder / name).write_bytes(to_json(result(20, **more)))
    return str(folder / name)


def test_two_results_side_by_side(cli, tmp_path):
    """What was asked differently, then a table with intervals and verdicts."""
    a, b = kept(tmp_path, "a"), kept(tmp_path, "b", slower=2.0, plan={"seed": 9})
    told = cli("bench", "compare", a, b)
    assert told.code == 0
    assert "asked differently: seed: 1 and 9" in told.err
    line = next(line for line in told.text.splitlines() if line.startswith("p50 response, get one"))
    assert line.endswith("worse")
    assert cli("bench", "compare", a, b, "--fail-if-worse").code == 1
    assert cli("bench", "compare", a, a, "--fail-if-worse").code == 0


def test_as_json(cli, tmp_path):
    """Everything, in one document."""
    a = kept(tmp_path, "a")
    document = json.loads(cli("bench", "compare", a, a, "--json").text)
    assert {each["verdict"] for each in document["differences"]} == {"no difference shown"}
    assert document["problems"] == []


def test_nothing_follows_from_a_run_that_is_not_to_be_believed(cli, tmp_path):
    """It ends with 4; a file that is no result is usage."""
    told = cli("bench", "compare", kept(tmp_path, "a"), kept(tmp_path, "b", interrupted=True))
    assert (told.code, "interrupted" in told.err) == (4, True)
    (tmp_path / "c").write_text("{}")
    assert cli("bench", "compare", tmp_path / "c", tmp_path / "a").code == 2
