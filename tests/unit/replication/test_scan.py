import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.errors import CorruptValue, ReadTimeout
from dynamo.protocol.effects import Effects, Finish, PeerError, PeerFailure, Send, WakeAt
from dynamo.protocol.messages import Scan, Scanned
from dynamo.replication.read_repair import keep_newest, keep_siblings
from dynamo.replication.scan import QuorumScan, ScanPage, merged_page
from dynamo.versioning.record import Record, Sibling, encode

SCAN = Scan("b", 0, b"", b"", b"", 3, values=True)
DEADLINE = 2.0
keys = st.sampled_from([b"a", b"b", b"c", b"d", b"e", b"f"])
# What a replica holds: of each key some of its versions.
holdings = st.dictionaries(keys, st.frozensets(st.sampled_from("xyz"), min_size=1))


def record(actors: frozenset[str]) -> Record:
    """One concurrent write of each actor, later letters later."""
    return Record(dict.fromkeys(sorted(actors), 1), [Sibling(actor, 1, ord(actor), b"v") for actor in sorted(actors)])


def page(holding: dict[bytes, frozenset[str]], start: bytes, limit: int) -> Scanned:
    """What a replica answers from `start` on."""
    found = [(key, encode(record(actors))) for key, actors in sorted(holding.items()) if key >= start]
    return Scanned(found[:limit], len(found) > limit)


def scanned(replicas: list[dict[bytes, frozenset[str]]], start: bytes, limit: int) -> ScanPage:
    machine = QuorumScan(tuple("abc"[: len(replicas)]), SCAN, len(replicas), keep_siblings, DEADLINE)
    machine.start(0.0)
    for name, holding in zip("abc", replicas, strict=False):
        machine.on_reply(name, page(holding, start, limit), 0.1)
    assert isinstance(machine.outcome, ScanPage)
    return machine.outcome


@given(st.lists(holdings, min_size=1, max_size=3), st.integers(1, 4))
def test_pages_show_every_key_once_with_all_its_versions(replicas, limit):
    """Page by page, the whole is the union of what the replicas hold, in key order, nothing twice, nothing left out."""
    seen: list[tuple[bytes, Record]] = []
    start, more = b"", True
    while more:
        found = scanned(replicas, start, limit)
        seen += found.entries
        more = found.more
        assert found.entries or not more, "a page that announces more has a last key"
        start = seen[-1][0] + b"\0" if seen else b""
    united = {key: frozenset().union(*(h.get(key, frozenset()) for h in replicas)) for h in replicas for key in h}
    assert seen == [(key, record(actors)) for key, actors in sorted(united.items())]


@given(st.lists(st.sampled_from(["page", "damaged", *PeerFailure]), min_size=3, max_size=3), st.integers(1, 3))
def test_a_scan_ends_once(script, needed):
    """Pages of R replicas, or the reason why there are too few; unasked replicas stand in for those that fail."""
    machine = QuorumScan(("a", "b", "c"), SCAN, needed, keep_siblings, DEADLINE)
    effects: Effects = machine.start(0.0)
    assert effects == [*(Send(node, SCAN) for node in "abc"[:needed]), WakeAt(DEADLINE)]
    asked = list("abc"[:needed])
    finishes = pages = 0
    for how in script:
        if not asked:
            break
        node = asked.pop(0)
        if how in ("page", "damaged"):
            data = encode(record(frozenset("x"))) if how == "page" else b"damaged"
            effects = machine.on_reply(node, Scanned([(b"k", data)], more=False), 0.1)
            pages += how == "page" and not finishes
        else:
            effects = machine.on_failure(node, PeerError(how), 0.1)
        asked += [effect.to for effect in effects if isinstance(effect, Send)]
        finishes += sum(isinstance(effect, Finish) for effect in effects)
        assert finishes == (machine.outcome is not None) == machine.drained
    assert finishes == 1
    assert isinstance(machine.outcome, ScanPage if pages == needed else ReadTimeout | CorruptValue)
    assert machine.on_reply("a", Scanned([], more=False), 0.2) == machine.on_wakeup(3.0) == []
    assert machine.on_failure("a", PeerError(PeerFailure.LOST), 0.2) == []


def test_one_dot_with_two_values_is_damage():
    """Two replicas that contradict each other are not merged by guessing."""
    machine = QuorumScan(("a", "b"), SCAN, 2, keep_siblings, DEADLINE)
    machine.start(0.0)
    for node, value in (("a", b"x"), ("b", b"y")):
        data = encode(Record({"n": 1}, [Sibling("n", 1, 1, value)]))
        machine.on_reply(node, Scanned([(b"k", data)], more=False), 0.1)
    assert isinstance(machine.outcome, CorruptValue)


def test_of_an_lww_key_only_the_newest_is_listed():
    """Across replicas and within one."""
    both = record(frozenset("xz"))
    for pages in ([both], [record(frozenset("x")), record(frozenset("z"))]):
        merged = merged_page([ScanPage([(b"k", each)], more=False) for each in pages], keep_newest)
        assert [s.actor for s in merged.entries[0][1].siblings] == ["z"]
        assert merged.entries[0][1].clock == {"x": 1, "z": 1}


def test_too_few_replicas_is_a_bug_of_the_caller():
    """It is answered before anything is sent, with another error."""
    with pytest.raises(AssertionError):
        QuorumScan(("a",), SCAN, 2, keep_siblings, DEADLINE)
