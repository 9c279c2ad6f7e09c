import xml.etree.ElementTree as ET

from dynamo.growth.small_multiples import COLUMNS, small_multiples
from tests.unit.growth.figures import curves


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in ET.fromstring(svg).iter() if each.text]


def test_each_axis_has_a_panel():
    """With its curves, their dots and what they are called; what is superlinear in another colour."""
    names = ["keys", "nodes", "values", "siblings"]
    svg = small_multiples([curves(name, PUT=[10, 100, 1000], GET=[5, 5, 5]) for name in names])
    shown = texts(svg)
    assert all(name in shown for name in names)
    assert shown.count("PUT: superlinear, exponent 1.00, at the end 1.00") == len(names) > COLUMNS
    assert svg.count('class="tick bad"') == len(names)
    assert "GET, 100 nodes: 5.0 us, 1,000/s" in shown
    assert svg.count("<circle") == 6 * len(names)


def test_a_single_size_is_drawn():
    """As a dot, without a verdict; an axis that nothing was measured on is left out."""
    svg = small_multiples([curves("nodes", PUT=[10]), curves("keys", PUT=[])])
    assert svg.count("<circle") == 1
    assert "keys" not in texts(svg)
