"""The wire format, pinned: one example of each message with its bytes in msgpack, version 1 of the protocol.

A change of these bytes breaks a cluster that is upgraded node by node. New fields go to the end with a default; they
change the bytes here, and the test of older bytes must then still pass.
"""

from __future__ import annotations

from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.protocol.commands import Consistency, WriteCommand, WriteOutcome
from dynamo.protocol.messages import (
    Acknowledged,
    AskAcknowledged,
    AskKeys,
    AskRoots,
    AskTree,
    Buckets,
    DeadKey,
    Fetch,
    Fetched,
    Forward,
    Forwarded,
    Keys,
    MayReap,
    MemberState,
    Message,
    Ping,
    Pong,
    Probe,
    ProbeAck,
    ProbeFor,
    Reap,
    ReapVotes,
    Refused,
    Roots,
    Scan,
    Scanned,
    ShareBuckets,
    SpanAcks,
    Status,
    StatusReport,
    Store,
    StoreAge,
    Stored,
    TellStores,
    TreeHashes,
)
from tests.unit.protocol.golden_paxos import LAST, LATER, PAXOS

NEWS = MemberState("node2", 1, 7, "node1")
DEAD = DeadKey("carts", b"k", 255)
AGE = StoreAge("node2", "s", 3, "r", 7)
AGE_BYTES = "95 a56e6f646532 a173 03 a172 07"
BUCKET = BucketProperties(
    name="carts",
    mode=Mode.LWW,
    n=5,
    r="one",
    w=2,
    ttl_s=60,
    created=(7, "node1"),
    changed=(9, "node2"),
    staleness_sample=0.5,
)
COMMAND = WriteCommand(
    bucket="carts",
    key=b"k",
    value=b"v",
    request=bytes(range(16)),
    content_type="text/plain",
    meta={"a": "1"},
    context={"node1.00000001": 3},
    context_hybrid=4,
    consistency=Consistency.ONE,
    w=2,
    dw="all",
    pw=1,
    sloppy=False,
    ttl_ms=5,
)

MESSAGES: list[tuple[Message, str]] = [
    (Ping(), "91 01"),
    (Pong(), "91 02"),
    (Fetch("carts", b"k", "node3", True), "95 03 a56361727473 c4016b a56e6f646533 c3"),
    (Fetched(b"rec", 100_000_007), "93 04 c403726563 ce05f5e107"),
    (Store("carts", b"k", b"rec", False, "node3"), "96 05 a56361727473 c4016b c403726563 c2 a56e6f646533"),
    (Stored(100_000_007, 1500), "93 06 ce05f5e107 cd05dc"),
    (
        Forward(COMMAND),
        (
            "92 07 9e a56361727473 c4016b c40176 c410000102030405060708090a0b0c0d0e0f aa746578742f706c61696e 81a161a131"
            "81ae6e6f6465312e303030303030303103 04 a36f6e65 02 a3616c6c 01 c2 05"
        ),
    ),
    (Forwarded(WriteOutcome(b"rec", 2, 1, "node1", True)), "92 08 95 c403726563 02 01 a56e6f646531 c3"),
    (
        Scan("carts", 17, b"a", b"z", b"p", 1000, True),
        "98 09 a56361727473 11 c40161 c4017a c40170 cd03e8 c3",
    ),
    (Scanned([(b"k", b"rec")], True), "93 0a 91 92 c4016b c403726563 c3"),
    (
        ShareBuckets([BUCKET], 2**63),
        (
            "93 0b 91 de0011 a46e616d65 a56361727473 a46d6f6465 a36c7777 a16e 05 a172 a36f6e65 a177 02 a26477 00"
            "a27072 00 a27077 00 a6736c6f707079 c3 a574746c5f73 3c af76616c75655f62797465735f6d6178 00"
            "af726571756972655f636f6e74657874 c2 a764656c65746564 c2 aa67656e65726174696f6e 01"
            "a763726561746564 92 07 a56e6f646531 a76368616e676564 92 09 a56e6f646532"
            "b07374616c656e6573735f73616d706c65 cb3fe0000000000000 cf8000000000000000"
        ),
    ),
    (Buckets([]), "92 0c 90"),
    (
        Refused("wrong-epoch", "why", b'{"epoch":2}'),
        "94 0d ab77726f6e672d65706f6368 a3776879 c40b7b2265706f6368223a327d",
    ),
    (Status(), "91 0e"),
    (
        StatusReport("node1", "0.1.0", 3, "00000001", ["node2"], 5, 4096, 1.5, [NEWS]),
        (
            "9a 0f a56e6f646531 a5302e312e30 03 a83030303030303031 91a56e6f646532 05 cd1000 cb3ff8000000000000"
            "91 94 a56e6f646532 01 07 a56e6f646531"
        ),
    ),
    (Probe([NEWS]), "92 10 91 94 a56e6f646532 01 07 a56e6f646531"),
    (ProbeAck([NEWS]), "92 11 91 94 a56e6f646532 01 07 a56e6f646531"),
    (ProbeFor("node3", [NEWS]), "93 12 a56e6f646533 91 94 a56e6f646532 01 07 a56e6f646531"),
    (AskRoots(9), "92 13 09"),
    (Roots([("carts", 255)]), "92 14 91 92 a56361727473 ccff"),
    (AskTree(9, "carts", 2, [3]), "95 15 09 a56361727473 02 91 03"),
    (TreeHashes([(3, 255)]), "92 16 91 92 03 ccff"),
    (AskKeys(9, "carts", [3], b"k"), "95 17 09 a56361727473 91 03 c4016b"),
    (Keys([(b"k", 255)], True), "93 18 91 92 c4016b ccff c3"),
    (MayReap([DEAD], [AGE]), f"93 19 91 93 a56361727473 c4016b ccff 91 {AGE_BYTES}"),
    (Reap([DEAD], [AGE]), f"93 1a 91 93 a56361727473 c4016b ccff 91 {AGE_BYTES}"),
    (ReapVotes([True, False], AGE), f"93 1b 92 c3 c2 {AGE_BYTES}"),
    *PAXOS,
    (TellStores([[AGE]]), f"92 2b 91 91 {AGE_BYTES}"),
    *LATER,
    (
        AskAcknowledged("carts", b"k", [("node1.00000001", 3, 5)]),
        "94 2d a56361727473 c4016b 91 93 ae6e6f6465312e3030303030303031 03 05",
    ),
    (
        Acknowledged(1.5, [SpanAcks([(5, 0.25, 2), (4, -1.0, 0)], 4)]),
        "93 2e cb3ff8000000000000 91 92 92 93 05 cb3fd0000000000000 02 93 04 cbbff0000000000000 00 04",
    ),
    *LAST,
]

OLDER: list[tuple[Message, str]] = [
    (Fetch("carts", b"k"), "93 03 a56361727473 c4016b"),
    (Store("carts", b"k", b"rec"), "94 05 a56361727473 c4016b c403726563"),
    (Fetched(b"rec"), "92 04 c403726563"),
    (Stored(), "91 06"),
    (ShareBuckets([]), "92 0b 90"),
    (
        StatusReport("node1", "0.1.0", 3, "00000001", ["node2"], 5, 4096, 1.5),
        "99 0f a56e6f646531 a5302e312e30 03 a83030303030303031 91a56e6f646532 05 cd1000 cb3ff8000000000000",
    ),
    (Probe([MemberState("node2", 1, 7)]), "92 10 91 93 a56e6f646532 01 07"),
    (MayReap([DEAD]), "92 19 91 93 a56361727473 c4016b ccff"),
    (ReapVotes([True, False]), "92 1b 92 c3 c2"),
    (Refused("internal", "why"), "93 0d a8696e7465726e616c a3776879"),
]
"""Messages as a node wrote them that did not know of the fields at their end."""


def body(spaced: str) -> bytes:
    return bytes.fromhex(spaced)
