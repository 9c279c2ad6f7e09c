"""A verdict can be written down as it is."""

import msgspec

from dynamo.checker.verdict import METHODS, Order, Search, Verdict


def test_a_verdict_becomes_json_and_back():
    """With all that a picture needs."""
    search = Search([Order((1, 3), ("x", "y"), {2: "it read z"})], 2, 1, 17)
    verdict = Verdict("illegal", "search", "b/k", "no order has operation 2", (2,), 3, search)
    assert msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict) == verdict
    assert verdict.method in METHODS
