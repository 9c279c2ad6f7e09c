from pathlib import Path

from dynamo.checker.history import Remark, from_lines
from dynamo.checker.linearizability import check_key
from dynamo.checker.reading import read
from dynamo.load.history_file import Change, HistoryFile, merge
from tests.unit.load.stage import plan


def part(folder: Path, number: int) -> tuple[HistoryFile, Path]:
    path = folder / f"part{number}"
    return HistoryFile(path.open("wb"), plan(), number, 2, ["a:1", "b:2"]), path


def test_parts_become_one_history_in_order(tmp_path):
    """By time, operations told apart, with what the run was and what was done to the cluster; the parts are gone."""
    (one, first), (other, second) = part(tmp_path, 0), part(tmp_path, 1)
    put = one.call(1.0, "u", "put", "k", 2, 0, Change("x"))
    get = other.call(1.5, "v", "get", "m", 1, 1)
    one.returned(put, 2.0, "ok")
    other.returned(get, 2.5, "unknown", error="no answer")
    one.close()
    other.close()
    merge(tmp_path / "whole", [first, second], plan(), [Remark(1.7, "kill node2")])
    text = (tmp_path / "whole").read_text()
    history = from_lines(text)
    assert [getattr(event, "at", None) for event in history.events] == [None, 0.0, 1.0, 1.5, 1.7, 2.0, 2.5]
    assert (history.buckets["load"].mode, history.buckets["load"].n) == ("lww", 3)
    assert history.operations[put].call.via == "a:1"
    assert history.operations[get].outcome == "unknown"
    assert not first.exists()
    assert not second.exists()


def test_the_checker_understands_it(tmp_path):
    """A stale read is found, a compare-and-set is what it was."""
    file, path = part(tmp_path, 0)
    for at, value in ((1.0, "x"), (2.0, "y")):
        file.returned(file.call(at, "u", "put", "k", 2, 0, Change(value)), at + 0.5, "ok")
    file.returned(file.call(3.0, "v", "get", "k", 2, 0), 3.5, "ok", ("x",))
    file.returned(file.call(4.0, "v", "cas", "c", 2, 0, Change("z", version=0)), 4.5, "ok", (), number=1)
    file.close()
    merge(tmp_path / "whole", [path], plan(), [])
    recording = read((tmp_path / "whole").read_text(), "register", None)
    assert check_key("load/k", recording.keys["load/k"], "register").result == "illegal"
    assert check_key("load/c", recording.keys["load/c"], "cas-register").result == "legal"
