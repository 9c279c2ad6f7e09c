"""What all tests of charts ask: is the picture well formed, and what does it say?"""

import xml.etree.ElementTree as ET

from dynamo.report.chart import Chart


def words(chart: Chart) -> list[str]:
    """Every text of the picture, those of hints included."""
    assert all(len(row) == len(chart.table.heads) for row in chart.table.rows)
    return [each.text or "" for each in ET.fromstring(chart.picture).iter() if each.text]
