import xml.etree.ElementTree as ET

from dynamo.growth.soak_chart import soak_chart
from tests.unit.growth.soaks import soak


def test_a_soak_is_four_panels():
    """Three percentiles, the memory of each node, three kinds of files, hints: nine curves over the same time."""
    svg = soak_chart(soak(leak_mib=2, hints=3, slower_ms=1))
    words = [each.text for each in ET.fromstring(svg).iter() if each.text]
    for title in ("response time, ms", "memory of each node, MiB", "files of all nodes, MiB", "hints that wait"):
        assert title in words
    assert {"p50", "p99", "p99.9", "node1", "node2", "LMDB", "of it in use", "log"} <= set(words)
    assert svg.count("<path") == 9


def test_a_run_without_looks_is_drawn():
    """Its times are there all the same."""
    found = soak(windows=2)
    found.looks = []
    assert soak_chart(found).count("<path") == 3
