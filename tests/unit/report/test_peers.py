import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

from dynamo.report.peers import charts, page
from dynamo.workload.report import Ratio, Report, Section, Table
from tests.unit.workload.samples import row, sample


def rows(**fields: float) -> list:
    ours = row(
        "dynamo", "PUT <W=2>", *(sample(**{name: value * n for name, value in fields.items()}) for n in (1, 2, 4))
    )
    return [ours, row("etcd", "put", sample(rate=10.0, server_cpu_us=90.0, p50_ms=5.0, p99_ms=6.0))]


def report(*more: Section) -> Report:
    sections = [
        Section(title="Put: 64 connections", rows=rows(rate=1000.0, server_cpu_us=30.0), notes=["disks & all"]),
        Section(title="Put: 1,000 requests/s", rows=rows(p50_ms=0.5, p99_ms=2.0), paced=True),
        *more,
    ]
    return Report(taken="today", machine={"Kernel": "9"}, settings={}, sections=sections)


def test_each_measure_is_drawn_for_the_sections_that_it_makes_sense_for():
    """Rates and work at full load, latencies at the fixed rate: a rate that was given says nothing of a store."""
    made = {chart.name: chart for chart in charts(report())}
    assert list(made) == ["rate", "work", "p50", "p99"]
    assert made["rate"].table.rows[0] == ["Put: 64 connections", "dynamo", "PUT <W=2>", "2,000", "1,000", "4,000"]
    assert made["p99"].table.rows[1] == ["Put: 1,000 requests/s", "etcd", "put", "6", "6", "6"]
    assert made["p99"].table.heads[3] == "median, ms"


def test_a_bar_is_as_long_as_its_median():
    """On a logarithmic axis: what is twenty times as much is longer by the same wherever it is."""
    picture = next(chart.picture for chart in charts(report()) if chart.name == "rate")
    root = ET.fromstring(picture)
    bars = [float(each.get("width")) for each in root if each.tag.endswith("rect") and each.get("height") == "15.0"]
    assert len(bars) == 2
    assert bars[0] > bars[1] > 1


def test_a_store_without_an_answer_is_drawn_too():
    """As nothing, and without a word of Python's."""
    section = Section(title="x", rows=[row("dynamo", "a", sample(rate=0.0, server_cpu_us=0.0))])
    assert [chart.name for chart in charts(Report(taken="", machine={}, settings={}, sections=[section]))]


def test_a_page_has_charts_goals_and_how_it_was_measured():
    """Whole, with nothing from elsewhere, and texts as texts."""
    ratio = Ratio(name="Put, dynamo / etcd", values=[2.0, 3.0, 2.6], goal=2.5)
    most = Ratio(name="p50", values=[1.5], goal=1.0, at_most=True)
    passes = Section(title="Peers", tables=[Table(headings=["requests/s", "pass 1"], lines=[["slow: put", "777"]])])
    html = page(report(Section(title="Goals", ratios=[ratio, most], skipped="cassandra: skipped: needs mvn"), passes))
    assert html.count("<svg") == 4
    assert "<script" not in html
    assert not re.search(r'(src|href)="(?!data:)', html)
    assert "PUT &lt;W=2&gt;" in html
    assert "disks &amp; all" in html
    assert "cassandra: skipped: needs mvn" in html
    assert "<td>slow: put</td><td>777</td>" in html
    cells = re.findall(r"<td>(.*?)</td>", html)
    assert cells[cells.index("Put, dynamo / etcd") :][:5] == [
        "Put, dynamo / etcd",
        "2.60",
        "2.00 .. 3.00",
        "2.5",
        "met",
    ]
    assert cells[cells.index("p50") :][3:5] == ["at most 1", "missed"]
    HTMLParser().feed(html)


def test_a_run_with_faults_says_so_first():
    """Nobody takes its charts for good ones."""
    wrong = Section(title="Get", rows=[row("etcd", "range", sample(faults=2, first_fault="another value"))])
    html = page(report(wrong))
    assert "Not to be believed" in html
    assert html.index("Not to be believed") < html.index("<svg")
