import base64
import re
from html.parser import HTMLParser

from dynamo.report.counts import Counts
from dynamo.report.page import CHARTS, page
from dynamo.report.result import Held
from tests.unit.report.results import result


class Seen(HTMLParser):
    """What of a page matters: its tags with their attributes, balanced."""

    VOID = ("meta", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag


def test_six_charts_with_their_tables():
    """Each with a picture, how to read it, its figures, and those as a file."""
    text = page(result())
    seen = Seen(text)
    assert [attrs["id"] for tag, attrs in seen.tags if tag == "section" and "id" in attrs] == [
        "tradeoff", "visibility", "timelines", "latency", "availability", "convergence",
    ]  # fmt: skip
    assert sum(tag == "svg" for tag, _ in seen.tags) == len(CHARTS) == 6
    links = [attrs for tag, attrs in seen.tags if tag == "a"]
    assert len(links) == 6
    head, _, data = links[0]["href"].partition("base64,")
    assert head == "data:text/csv;charset=utf-8;"
    assert base64.b64decode(data).startswith(b"reads at,writes at,R + W > N")


def test_nothing_comes_from_elsewhere():
    """No script, no address but those of data and of the SVG standard."""
    text = page(result())
    assert "<script" not in text
    assert set(re.findall(r"https?://[^\"' ]+", text)) == {"http://www.w3.org/2000/svg"}


def test_problems_and_thresholds_stand_on_top():
    """What makes a run not worth believing, and what was to be kept."""
    text = page(result(corrupt="key <3>", thresholds=[Held("p99 > 5ms", 0.007, True), Held("x", None, True)]))
    assert "<b>Not to be believed:</b> corrupt: key &lt;3&gt;" in text
    assert "p99 &gt; 5ms" in text
    assert text.index("FAILED") < text.index("What freshness costs")


def test_an_empty_run_is_a_page():
    """Nothing was asked, and it says so."""
    Seen(page(result(totals=Counts(), slices=[], moments=[], agreements=[])))


def test_light_and_dark():
    """Every colour of the one is in the other."""
    style = page(result())
    light, dark = style.split("@media(prefers-color-scheme:dark)")
    names = set(re.findall(r"(--[a-z0-9]+):", light)) - {"--paper"}
    assert names <= set(re.findall(r"(--[a-z0-9]+):", dark.partition("body{")[0]))
