import msgspec

from dynamo.workload.capacity_report import check_words, markdown, plain
from dynamo.workload.capacity_table import Assumed, lines
from tests.unit.workload.capacity_inputs import run


def test_everything_is_said_in_both_forms():
    """Inputs, check with its errors, machines with what is assumed; tables whose rows are as long as their heads."""
    found, assumed = run(), Assumed(cores=8, by_token=False)
    predicted = lines(found.inputs, assumed, (3, 30))
    text, document = "\n".join(plain(found, predicted, assumed)), markdown(found, predicted, assumed)
    for words in (
        "40 + 20/x",
        "9 nodes, CAS",
        "+50%",
        "one node on each of 8 cores",
        "that ask any node",
        "0.9 GET R=2",
    ):
        assert words in text
        assert words in document
    assert "taken 2026-01-01." in document
    assert "Python 3." in document
    rows = [line for line in document.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {8, 14}
    assert len(rows) == (2 + 4) + (2 + 8) + (2 + 2)


def test_how_far_predictions_were_off():
    """Median and worst; a run that checked nothing says so."""
    assert "50% in the median and 50% at most" in check_words(run())
    assert check_words(msgspec.structs.replace(run(), checked=[])) == "Nothing was checked."
