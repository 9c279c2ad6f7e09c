import csv
import io

from dynamo.report.chart import Table, pairs
from dynamo.report.chart import csv as written


def test_a_table_is_csv():
    """Read by others it is the same."""
    table = Table(["a", "b"], [["1,5", 'say "x"'], ["", "two\nlines"]])
    assert list(csv.reader(io.StringIO(written(table), newline=""))) == [table.heads, *table.rows]


def test_pairs_of_levels():
    """All of them."""
    assert pairs(["one", "all"], ["quorum"]) == [("one", "quorum"), ("all", "quorum")]
