from dynamo.report.rows import HEADS, table
from tests.unit.report.results import result


def test_a_row_for_each_second_and_operation():
    """Those of the whole run first; reads with what was judged of them."""
    found = table(result())
    assert len(found.rows) == 3 + 10 * 3
    assert all(len(row) == len(HEADS) for row in found.rows)
    whole = {tuple(row[:4]): row for row in found.rows}
    get = dict(zip(HEADS, whole["all", "10", "get", "one"], strict=True))
    assert (get["ok"], get["reads_judged"], get["reads_stale"]) == ("1000", "1000", "60")
    assert 0.9 < float(get["response_p50_ms"]) < 2.5
    assert dict(zip(HEADS, whole["3", "1", "get", "all"], strict=True))["timeout"] == "80"
    assert dict(zip(HEADS, whole["3", "1", "put", "quorum"], strict=True))["reads_judged"] == ""
