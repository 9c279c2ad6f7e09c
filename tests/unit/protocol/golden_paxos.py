"""The wire format of Paxos, pinned as in `golden.py`."""

from __future__ import annotations

from dynamo.protocol.commands import Action, ChangeCommand, ChangeOutcome, Condition
from dynamo.protocol.messages import Message, Refused, Votes
from dynamo.protocol.paxos import (
    Accept,
    Accepted,
    AcceptMany,
    AskBallots,
    Ballots,
    ForgetKey,
    Forgotten,
    ForwardChange,
    ForwardedChange,
    Inspect,
    Inspected,
    Learn,
    Learned,
    LearnMany,
    Prepare,
    Promised,
    Rejected,
)

LOWER = (8, "node2~a", 3)
BALLOT = (9, "node1~b", 2)
NEXT = (10, "node1~b", 2)
CHANGE = ChangeCommand(
    bucket="locks",
    key=b"k",
    action=Action.SET,
    request=b"r" * 16,
    condition=Condition(version=2, etags=["e"]),
    value=b"v",
    content_type="text/plain",
    meta={"a": "b"},
)
PAXOS: list[tuple[Message, str]] = [
    (Prepare("locks", b"k", BALLOT), "94 1c a56c6f636b73c4016b9309a76e6f6465317e6202"),
    (Promised(BALLOT, LOWER, b"reg", 9), "95 1d 9309a76e6f6465317e62029308a76e6f6465327e6103c40372656709"),
    (
        Accept("locks", b"k", BALLOT, b"reg", NEXT),
        "96 1e a56c6f636b73c4016b9309a76e6f6465317e6202c403726567930aa76e6f6465317e6202",
    ),
    (Accepted(BALLOT, 9), "93 1f 9309a76e6f6465317e620209"),
    (Rejected(LOWER, BALLOT), "93 20 9308a76e6f6465327e61039309a76e6f6465317e6202"),
    (Inspect("locks", b"k", LOWER), "94 21 a56c6f636b73c4016b9308a76e6f6465327e6103"),
    (Inspected(LOWER, b"reg", 9), "94 22 9308a76e6f6465327e6103c40372656709"),
    (Learn("locks", b"k", LOWER), "94 23 a56c6f636b73c4016b9308a76e6f6465327e6103"),
    (Learned(), "91 24"),
    (
        ForwardChange(CHANGE, 7),
        (
            "93 25 9da56c6f636b73c4016ba3736574c4107272727272727272727272727272727294c00291a165c0c40176aa7465"
            "78742f706c61696e81a161a16200c400c3c20007"
        ),
    ),
    (
        ForwardedChange(ChangeOutcome(True, 3, b"reg", "node2", False, 2, True)),
        "92 26 97c303c403726567a56e6f646532c202c3",
    ),
    (AskBallots(9, b"k", 3, "node2", "s1"), "96 27 09c4016b03a56e6f646532a27331"),
    (Ballots([(b"k", b"state")], True, b"floor", b"l"), "95 28 9192c4016bc4057374617465c3c405666c6f6f72c4016c"),
    (ForgetKey("locks", b"k", LOWER), "94 29 a56c6f636b73c4016b9308a76e6f6465327e6103"),
    (Forgotten(True), "92 2a c3"),
]

LATER: list[tuple[Message, str]] = [
    (LearnMany([(b"\0\7locks\0k", BALLOT)]), "92 2c 9192c40900076c6f636b73006b9309a76e6f6465317e6202"),
]
"""Tags behind the last of `golden.py`."""

LAST: list[tuple[Message, str]] = [
    (
        AcceptMany([Accept("locks", b"k", BALLOT, b"reg", NEXT)]),
        "92 2f 91961ea56c6f636b73c4016b9309a76e6f6465317e6202c403726567930aa76e6f6465317e6202",
    ),
    (
        Votes(3, 7, {1: Rejected(BALLOT, NEXT), 2: Refused("not-ready", "d", b"{}")}),
        "94 30 03 07 82 01 93209309a76e6f6465317e6202930aa76e6f6465317e6202 02 940da96e6f742d7265616479a164c4027b7d",
    ),
]
"""And behind the last of those."""
