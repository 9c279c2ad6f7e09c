"""What a record looks like from outside: one value raw, several as JSON or multipart, none as an explained 404.

The entity tag names the set of versions, so it is equal on every replica that holds it. Where a value of the set has
expired the tag says so, too: the set is the same, what is shown is not.
"""

from __future__ import annotations

import base64
import os
import time

import msgspec

from dynamo.api.answer import JSON_TYPE, Answer, http_date, lines_of
from dynamo.api.json_values import bytes_json
from dynamo.api.wire import CONTENT_ENCODING_META
from dynamo.consensus.record import CHOSEN
from dynamo.protocol.commands import WriteCommand
from dynamo.protocol.http_fields import (
    CONTEXT,
    DEFAULT_CONTENT_TYPE,
    EXPIRES_AT,
    META_PREFIX,
    SIBLINGS,
)
from dynamo.ring.token import key_hash
from dynamo.versioning.clock import canonical, short_of
from dynamo.versioning.context import NOTHING, Context, to_token, token
from dynamo.versioning.hybrid_time import wall_ms
from dynamo.versioning.record import Record, Sibling, etag
from dynamo.versioning.siblings import newest_only


class Shown:
    """A record at one moment: the values that a reader sees, and the words for them."""

    __slots__ = ("_bucket", "_key", "_now_ms", "_tag", "is_whole", "live", "record", "version")

    def __init__(
        self,
        bucket: str,
        key: bytes,
        record: Record | None,
        now_ms: int,
        version: int | None = None,
        *,
        is_whole: bool = True,
    ) -> None:
        self._bucket = bucket
        self._key = key
        self._now_ms = now_ms
        self._tag = ""
        self.record = record
        if version is None and record is not None:
            version = record.clock.get(CHOSEN)
        self.version = version
        """Of a key in a linearizable bucket, where it is known: how many changes it has seen."""
        self.is_whole = is_whole
        """Whether the values are there, and not only which versions there are."""
        self.live: list[Sibling] = [] if record is None else record.live(now_ms)

    @property
    def deleted(self) -> bool:
        """There was a value, and it was deleted or has expired."""
        return self.record is not None and not self.live and bool(self.record.siblings)

    def context(self) -> str:
        """The token that says: I have seen this. A key never written to has one, too, for buckets that ask for it."""
        record = self.record
        seen = NOTHING if record is None else Context(record.clock, record.hybrid_max())
        return to_token(seen, key_hash(self._bucket, self._key))

    def context_of_write(self, command: WriteCommand) -> str:
        """The token for the answer to a write: it demands what the write made, and supersedes none of the values beside
        it, which its client was not shown.
        """
        assert self.record is not None, "a write leaves a record"
        clock = self.record.clock
        if len(self.record.siblings) == 1:
            only = self.record.siblings[0]
            if only.request == command.request and only.value == command.value:
                place = key_hash(self._bucket, self._key)
                return token(place, only.hybrid, canonical(clock), None, [only.dot])
        own = (command.request, command.value)
        unread = [s.dot for s in self.record.siblings if (s.request, s.value) != own and s.is_live(self._now_ms)]
        wrote = {s.actor: s.counter for s in self.record.siblings if (s.request, s.value) == own}
        context = Context(clock, self.record.hybrid_max(), short_of(clock, unread) if unread else None, wrote)
        return to_token(context, key_hash(self._bucket, self._key))

    def tag(self) -> str:
        """The entity tag, without quotes."""
        assert self.record is not None, "what was never written has no tag"
        if not self._tag:
            expired = sum([s.value is not None for s in self.record.siblings]) - len(self.live)
            self._tag = f"{etag(self.record)}-{expired}" if expired > 0 else etag(self.record)
        return self._tag

    def newest(self) -> Sibling:
        """The value that last-write-wins would keep."""
        assert self.record is not None
        return newest_only(Record(self.record.clock, self.live))[0].siblings[0]


def one_value(shown: Shown, sibling: Sibling, fields: dict[str, str]) -> Answer:
    """200 with the value as it was stored."""
    assert sibling.value is not None, "only values are shown"
    fields["Content-Type"] = sibling.content_type or DEFAULT_CONTENT_TYPE
    fields["Last-Modified"] = http_date(wall_ms(sibling.hybrid) // 1000)
    fields[SIBLINGS] = str(len(shown.live))
    if sibling.expires_ms:
        fields[EXPIRES_AT] = timestamp(sibling.expires_ms)
    if sibling.meta:
        fields.update(_meta_fields(sibling.meta))
    return Answer(200, fields, sibling.value)


def several_values(shown: Shown, fields: dict[str, str], accept: str) -> Answer:
    """300 with all values, newest first, as the client prefers."""
    newest_first = sorted(shown.live, key=_age)
    fields[SIBLINGS] = str(len(newest_first))
    fields["Last-Modified"] = http_date(wall_ms(newest_first[0].hybrid) // 1000)
    fields["Vary"] = "Accept"
    if prefers_multipart(accept):
        boundary = f"dynamo-{os.urandom(12).hex()}"
        fields["Content-Type"] = f"multipart/mixed; boundary={boundary}"
        return Answer(300, fields, _multipart(newest_first, boundary))
    fields["Content-Type"] = JSON_TYPE
    siblings = [sibling_json(sibling) for sibling in newest_first]
    return Answer(300, fields, msgspec.json.encode({"context": fields[CONTEXT], "siblings": siblings}))


def sibling_json(sibling: Sibling) -> dict[str, object]:
    """One value with what is known of it."""
    assert sibling.value is not None, "only values are shown"
    value = base64.b64encode(sibling.value).decode("ascii")
    return {"etag": sibling_tag(sibling), "value_b64": value, **described(sibling)}


def described(sibling: Sibling) -> dict[str, object]:
    """What is known of a value beside its bytes."""
    meta = dict(sibling.meta)
    encoding = meta.pop(CONTENT_ENCODING_META, None)
    known: dict[str, object] = {
        "content_type": sibling.content_type or DEFAULT_CONTENT_TYPE,
        "last_modified": timestamp(wall_ms(sibling.hybrid)),
        "meta": meta,
    }
    if encoding is not None:
        known["content_encoding"] = encoding
    if sibling.expires_ms:
        known["expires_at"] = timestamp(sibling.expires_ms)
    return known


def sibling_tag(sibling: Sibling) -> str:
    """The entity tag of one value among several: what its record's would be if it stood alone."""
    return etag(Record({sibling.actor: sibling.counter}, [sibling]))


def timestamp(milliseconds: int) -> str:
    """Milliseconds since 1970 as RFC 3339 in UTC."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:03d}Z"


def key_json(key: bytes) -> dict[str, str]:
    """A key as `key` where it is text, else as `key_b64`."""
    return bytes_json("key", key)


def prefers_multipart(accept: str) -> bool:
    """Whether an Accept header ranks multipart/mixed above JSON. Equal rank means that nothing was preferred."""
    return "multipart" in accept.lower() and _rank(accept, "multipart/mixed") > _rank(accept, JSON_TYPE)


def _rank(accept: str, media_type: str) -> float:
    """The quality that the most specific matching range gives to a type; 0 if none matches (RFC 9110, 12.5.1)."""
    best = (0, 0.0)
    for part in accept.split(","):
        media_range, *words = (word.strip().lower() for word in part.split(";"))
        quality = next((_quality(word[2:]) for word in words if word.startswith("q=")), 1.0)
        best = max(best, (_specificity(media_range, media_type), quality))
    return best[1] if best[0] else 0.0


def _specificity(given: str, full: str) -> int:
    if given == full:
        return 3
    if given == full.partition("/")[0] + "/*":
        return 2
    return 1 if given == "*/*" else 0


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _age(sibling: Sibling) -> tuple[int, str, int]:
    return (-sibling.hybrid, sibling.actor, sibling.counter)


def _meta_fields(meta: dict[str, str]) -> dict[str, str]:
    return {
        "Content-Encoding" if name == CONTENT_ENCODING_META else f"{META_PREFIX}{name.title()}": text
        for name, text in meta.items()
    }


def _multipart(siblings: list[Sibling], boundary: str) -> bytes:
    parts: list[bytes] = []
    for sibling in siblings:
        assert sibling.value is not None, "only values are shown"
        fields = {
            "Content-Type": sibling.content_type or DEFAULT_CONTENT_TYPE,
            "ETag": f'"{sibling_tag(sibling)}"',
            "Last-Modified": http_date(wall_ms(sibling.hybrid) // 1000),
            **_meta_fields(sibling.meta),
        }
        parts.append(f"--{boundary}\r\n".encode() + lines_of(fields) + b"\r\n" + sibling.value + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode()
