"""How records look from outside, remembered: the header fields of an answer with one value.

Context, entity tag and dates of an answer follow from the record's bytes, and making them costs as much as the rest of
a read. So they are kept by the path that was asked for, with the record's checksum: whoever has the same bytes in hand
shows the same face, and need not decode them. Only the plainest records are kept: one value, which does not expire,
and of a size at which the rest of a read is not much more.
"""

from __future__ import annotations

import msgspec

from dynamo.api.answer import Answer, lines_of
from dynamo.protocol.bucket import BucketProperties
from dynamo.protocol.http_fields import REQUEST_ID
from dynamo.ring.ring import Ring
from dynamo.versioning.record import Record

FACES_MAX = 32_768
"""Some 600 bytes each."""
RECORD_BYTES_MAX = 16_384
PATH_CHARACTERS_MAX = 600
_REQUEST_ID = f"{REQUEST_ID}: ".encode()
_HEAD_BYTES = 9
"""Format and checksum: what a record's byte form begins with."""
_encoder = msgspec.msgpack.Encoder(order="sorted")


class Face:
    """What one record looks like, under one bucket's properties and one ring."""

    __slots__ = ("_bucket", "_end", "_fixed", "_head", "_ring", "_start", "key")

    def __init__(
        self, bucket: BucketProperties, ring: Ring, key: bytes, data: bytes, place: tuple[int, int], fixed: bytes
    ) -> None:
        self._bucket = bucket
        self._ring = ring
        self._head = data[:_HEAD_BYTES]
        self._start, self._end = place
        self._fixed = fixed
        self.key = key

    def shows(self, bucket: BucketProperties, ring: Ring, data: bytes) -> bool:
        """Whether this is what the record `data` looks like."""
        return data.startswith(self._head) and bucket is self._bucket and ring is self._ring

    def answer(self, trace: str, data: bytes) -> Answer:
        """The answer to a read that found `data`."""
        fixed = b"%b%b%b" % (_REQUEST_ID, trace.encode(), self._fixed)
        return Answer(200, {}, data[self._start : self._end], fixed)


class Faces:
    """The faces shown lately. First come, first kept: going through more keys than there is room for, time and again,
    would find nothing where the latest push out the oldest. Once as many were turned away as are kept, it begins anew.
    """

    def __init__(self) -> None:
        self._faces: dict[str, Face] = {}
        self._turned_away = 0
        self.get = self._faces.get
        """The face that was shown last under a path, or None."""

    def keep(
        self, path: str, bucket: BucketProperties, ring: Ring, key: bytes, record: Record, data: bytes, answer: Answer
    ) -> None:
        """Remember an answer that shows the one value of `record`, whose byte form is `data`, if it is plain enough."""
        if len(data) > RECORD_BYTES_MAX or len(path) > PATH_CHARACTERS_MAX or not self._has_room(path):
            return
        place = _place_of_value(record, data)
        if place is None:
            return
        try:
            lines = lines_of({name: text for name, text in answer.fields.items() if name != REQUEST_ID})
        except ValueError:
            return  # nor will the answer itself be written, which its connection is told
        self._faces[path] = Face(bucket, ring, key, data, place, b"\r\n" + lines)

    def _has_room(self, path: str) -> bool:
        if path in self._faces or len(self._faces) < FACES_MAX:
            return True
        self._turned_away += 1
        if self._turned_away > FACES_MAX:
            self._turned_away = 0
            self._faces.clear()
        return not self._faces


def _place_of_value(record: Record, data: bytes) -> tuple[int, int] | None:
    """Where the only value of a record lies in its byte form; None for a record of another kind."""
    if len(record.siblings) != 1 or record.siblings[0].expires_ms:
        return None
    sibling = record.siblings[0]
    if sibling.value is None:
        return None
    behind = (sibling.content_type, sibling.meta, sibling.expires_ms, sibling.request)
    end = len(data) - sum(len(_encoder.encode(each)) for each in behind)
    start = end - len(sibling.value)
    return (start, end) if data[start:end] == sibling.value else None
