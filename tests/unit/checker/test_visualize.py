"""The page holds everything itself, and nothing of a history can break out of it."""

import json
import re

from dynamo.checker import visualize
from dynamo.checker.visualize import PARTS, draw, page
from dynamo.workload.picture_file import parts
from tests.unit.checker.stale_read import ASIDES, REASON, fine, stale_read

DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


def test_bad_keys_come_first():
    """The verdict of all is that of the worst, and so is the reason."""
    picture = draw("h.jsonl", [fine(3), stale_read()], ASIDES)
    assert [key.name for key in picture.keys] == ["b/k", "b/fine"]
    assert (picture.verdict, picture.reason) == ("illegal", f"b/k: {REASON}")
    assert picture.facts == ["7 operations on 2 keys", "1 illegal", "1 legal"]
    assert draw("h.jsonl", []).verdict == "legal"


def test_events_count_from_the_first_call():
    """As the operations do."""
    events = draw("h.jsonl", [stale_read()], ASIDES).events
    assert [(each.at, each.until, each.lane) for each in events] == [(0.5, 2.5, "faults"), (1.0, None, "remarks")]


def test_what_does_not_fit_is_left_out_and_said(monkeypatch):
    """Bad keys come first; a key takes the room of the bars that are drawn of it."""
    monkeypatch.setattr(visualize, "BARS_MAX", 10)
    monkeypatch.setattr(visualize, "OPERATIONS_MAX", 30)
    picture = draw("h.jsonl", [fine(11), fine(12), fine(13), stale_read(), fine(1)])
    assert len(picture.keys) == 3
    assert picture.keys[0].name == "b/k"
    assert picture.facts[-1] == "2 keys are not drawn, there are too many operations"


def test_the_page_is_complete_and_self_contained():
    """Reason, still picture, text and data are in it; nothing is fetched from anywhere."""
    text = page(draw("h.jsonl", [stale_read()], ASIDES), parts())
    assert set(parts()) == set(PARTS)
    assert REASON.replace(">", "&gt;") in text
    assert "<svg " in text
    assert "|---X---|" in text
    data = json.loads(DATA.search(text)[1])
    assert data["keys"][0]["bars"][2][6] == "get -> new (v2)"
    assert not re.findall(r'(?:src|href)="(?!#)|url\(|@import|fetch\(|XMLHttp|import\(', text)
    assert set(re.findall(r"https?://[^\s\"'<]+", text)) == {"http://www.w3.org/2000/svg"}


def test_values_cannot_break_out_of_the_page():
    """A value that closes a script is a value."""
    judged = stale_read()
    judged.ops[0].written = "</script><script>alert(1)</script>"
    text = page(draw("<i>title</i>", [judged], ASIDES), parts())
    assert text.count("<script") == 2
    assert "<i>" not in text
    assert json.loads(DATA.search(text)[1])["keys"][0]["bars"][0][6].startswith("put </script>")
