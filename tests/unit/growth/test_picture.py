import xml.etree.ElementTree as ET

from dynamo.growth.picture import SHADE, TONES, standalone


def test_a_picture_stands_alone():
    """It is a document, and every colour that it is drawn with is in it, for light and for dark."""
    svg = standalone(100, 50, "what it shows", ["<text>hi</text>"])
    root = ET.fromstring(svg)
    assert root.attrib["aria-label"] == "what it shows"
    for tone in (*TONES, SHADE, "var(--ink)", "var(--grid)", "var(--soft)", "var(--paper)", "var(--bad)"):
        assert svg.count(tone[4:-1] + ":#") == 2
