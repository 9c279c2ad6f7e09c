import json

from dynamo.report.result import to_json
from tests.unit.report.results import result


def test_a_result_is_drawn_again(cli, tmp_path):
    """The same page as at the end of the run."""
    (tmp_path / "r.json").write_bytes(to_json(result()))
    told = cli("bench", "report", tmp_path / "r.json", tmp_path / "r.html", "--json")
    assert json.loads(told.text) == {"file": str(tmp_path / "r.html")}
    assert "What freshness costs" in (tmp_path / "r.html").read_text()


def test_what_is_no_result_is_usage(cli, tmp_path):
    """And nothing is written."""
    (tmp_path / "r.json").write_text("[]")
    assert cli("bench", "report", tmp_path / "r.json", tmp_path / "r.html").code == 2
    assert not (tmp_path / "r.html").exists()
