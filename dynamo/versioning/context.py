"""The causal context that a client carries from an answer to its next request, as an opaque token.

On a PUT or DELETE it says what the client has seen; on a GET it demands an answer at least that new. Token, version 1:
base64url without padding over one version byte, four bytes checksum (low half of xxh3_64 of the rest) and msgpack
`[key hash, newest hybrid stamp, clock pairs]`, with the pairs of `seen` behind them where that is less, and those of
`wrote` behind that (nil where `seen` is no less). The key hash
binds a token to its key: counters grow per node, so a token of another key would claim to have seen writes it never
saw, and silently supersede them.
"""

from __future__ import annotations

import binascii
from typing import Annotated

import msgspec
from xxhash import xxh3_64_digest

from dynamo.errors import BadContext
from dynamo.versioning.clock import Clock, canonical, merge

FORMAT = 1
TOKEN_BYTES_MAX = 8000
"""What a header field can carry. Usual tokens have 60 to 200 characters; each crash of a replica adds about 25."""
_HEADER_BYTES = 5
_FORMAT_BYTE = bytes([FORMAT])
_FOR_URLS = bytes.maketrans(b"+/", b"-_")
_FROM_URLS = bytes.maketrans(b"-_", b"+/")
_Stamp = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A token can be made by anyone, and greater numbers would not fit a record."""
_Pairs = list[tuple[str, Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]]]


class Context(msgspec.Struct, gc=False):
    """What a client has seen of one key."""

    clock: Clock
    """What a read demands."""
    hybrid: int = 0
    """Newest stamp seen, so that a write that follows gets a greater one, on whatever node."""
    seen: Clock | None = None
    """What a write supersedes, where that is less than `clock`: the answer to a write covers the values that stand
    beside the new one, and its client was not shown them.
    """

    wrote: Clock = {}
    """What of `clock` its holder wrote itself: counters by actor. Decides nothing; tells reads of one's own writes."""

    @property
    def superseded(self) -> Clock:
        """What a write that carries this may replace."""
        return self.clock if self.seen is None else self.seen

    def joined(self, other: Context) -> Context:
        """What a client that holds both has seen."""
        clock, seen = merge(self.clock, other.clock), merge(self.superseded, other.superseded)
        wrote = merge(self.wrote, other.wrote)
        return Context(clock, max(self.hybrid, other.hybrid), None if seen == clock else seen, wrote)


class _Body(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    """What a token says, as it is encoded."""

    key_hash: int
    hybrid: _Stamp
    clock: _Pairs
    seen: _Pairs | None = None
    wrote: _Pairs = []


NOTHING = Context({}, 0)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Body)


def to_token(context: Context, key_hash: int) -> str:
    """The token for `Dynamo-Context`. `key_hash` is `ring.token.key_hash` of the key it speaks of."""
    rest: tuple[object, ...] = ()
    if context.seen is not None or context.wrote:
        rest = (None if context.seen is None else canonical(context.seen),)
    if context.wrote:
        rest += (canonical(context.wrote),)
    return token(key_hash, context.hybrid, canonical(context.clock), *rest)


def token(key_hash: int, hybrid: int, pairs: list[tuple[str, int]], *rest: object) -> str:
    """The token that says this: the canonical pairs of the clock, and what comes behind them."""
    body = _encoder.encode((key_hash, hybrid, pairs, *rest))
    return _text(_FORMAT_BYTE + xxh3_64_digest(body)[4:] + body)


def from_token(token: str, key_hash: int) -> Context:
    """The context of a token. Raises BadContext if it is damaged, too long, of another format or of another key."""
    if len(token) > TOKEN_BYTES_MAX:
        raise BadContext(f"the context token is longer than {TOKEN_BYTES_MAX} characters; read the key again")
    try:
        data = token.encode("ascii").translate(_FROM_URLS) + b"=" * (-len(token) % 4)
        raw = binascii.a2b_base64(data, strict_mode=True)
    except (UnicodeEncodeError, binascii.Error) as problem:
        raise BadContext(
            "the context token is not base64url; send back the Dynamo-Context of an answer unchanged"
        ) from problem
    if _text(raw) != token:
        raise BadContext("the context token was altered; send back the Dynamo-Context of an answer unchanged")
    if len(raw) <= _HEADER_BYTES or raw[0] != FORMAT:
        raise BadContext("the context token has an unknown format; read the key again")
    body = raw[_HEADER_BYTES:]
    if xxh3_64_digest(body)[4:] != raw[1:_HEADER_BYTES]:
        raise BadContext("the context token is damaged; send back the Dynamo-Context of an answer unchanged")
    try:
        said = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise BadContext("the context token cannot be read; read the key again") from problem
    if said.key_hash != key_hash:
        raise BadContext("the context token belongs to another key; use the one from this key's last answer")
    seen = None if said.seen is None else dict(said.seen)
    return Context(dict(said.clock), said.hybrid, seen, dict(said.wrote))


def _text(raw: bytes) -> str:
    """The one spelling of a token; base64 alone would take several (spare bits, padding, the other alphabet)."""
    return binascii.b2a_base64(raw, newline=False).translate(_FOR_URLS).rstrip(b"=").decode("ascii")
