import xml.etree.ElementTree as ET

from dynamo.report.capacity_chart import capacity_chart
from dynamo.workload.capacity import KINDS
from dynamo.workload.capacity_table import Assumed, lines
from tests.unit.workload.capacity_inputs import run

SVG = "{http://www.w3.org/2000/svg}"


def test_the_picture_shows_predictions_and_measurements():
    """It is SVG with its own colours; a dot for each measurement, and a line in each panel for each kind."""
    found = run()
    picture = ET.fromstring(capacity_chart(found.checked, lines(found.inputs, Assumed(), (3, 30, 300))))
    assert len(picture.findall(f"{SVG}circle")) == len(found.checked)
    assert len(picture.findall(f"{SVG}path")) == 2 * len(KINDS)
    assert picture.find(f"{SVG}style") is not None
    words = [text.text for text in picture.findall(f"{SVG}text")]
    assert {"machines", *(kind.name for kind in KINDS)} <= set(words)


def test_where_nothing_was_found_nothing_is_drawn():
    """Not even a frame."""
    picture = ET.fromstring(capacity_chart([], []))
    assert picture.findall(f"{SVG}path") == []
    assert picture.findall(f"{SVG}circle") == []
