"""GET of a bucket: a page of its keys, and the cursor of the next one.

Order is that of the store: by partition, and by key inside a partition key; the ring mixes the rest. A cursor says
where the page before ended. It is opaque, versioned and checksummed, and names its bucket; it stays good across changes
of the topology, since a key never changes its partition (the epoch is in it for the day when that is no longer so).
"""

from __future__ import annotations

import base64
import binascii

import msgspec
from xxhash import xxh3_64_digest

from dynamo.api import parameters, wire
from dynamo.api.answer import Answer, json_answer
from dynamo.api.call import Call
from dynamo.api.desk import now_ms
from dynamo.api.facade import Node
from dynamo.api.records import Records
from dynamo.api.representation import Shown, key_json, sibling_json
from dynamo.errors import InvalidParameter
from dynamo.protocol.commands import ListCommand
from dynamo.protocol.http_fields import EPOCH, LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX, REQUEST_ID
from dynamo.replication.quorum import read_quorum
from dynamo.versioning.record import Record

VALUES_LIMIT_DEFAULT = 100
VALUES_LIMIT_MAX = 100
"""Keys of a page that carries values: a page is built in memory."""
CURSOR_FORMAT = 1
_HEADER_BYTES = 5

_cursor = msgspec.msgpack.Decoder(tuple[str, int, int, bytes])


class Listing:
    """The handler of a bucket's keys."""

    def __init__(self, node: Node, records: Records) -> None:
        self._node = node
        self._records = records

    async def get(self, call: Call) -> Answer:
        bucket = wire.bucket_of(call.bucket_segment)
        given = parameters.parse(call.query, parameters.LIST)
        command = self._command(given, bucket)
        call.level = read_quorum(self._records.bucket(bucket), command).level.value
        deadline = self._records.deadline(call, self._records.timeout_s(given.timeout_s()))
        page = await self._node.list_keys(command, deadline, call.trace)
        epoch = self._node.ring.epoch
        content = {
            "keys": [self._entry(command, key, record) for key, record in page.entries],
            "cursor": None if page.after is None else to_cursor(bucket, epoch, page.after),
        }
        return json_answer(200, content, {REQUEST_ID: call.trace, EPOCH: str(epoch), "Cache-Control": "no-cache"})

    def _command(self, given: parameters.Parameters, bucket: str) -> ListCommand:
        values = given.flag("values") or False
        largest = VALUES_LIMIT_MAX if values else LIST_LIMIT_MAX
        cursor = given.text("cursor")
        return ListCommand(
            bucket=bucket,
            prefix=given.data("prefix") or b"",
            start=given.data("start") or b"",
            end=given.data("end") or b"",
            limit=given.integer("limit", 1, largest) or (VALUES_LIMIT_DEFAULT if values else LIST_LIMIT_DEFAULT),
            values=values,
            consistency=given.consistency(),
            r=given.quorum("r"),
            after=None if cursor is None else from_cursor(cursor, bucket, self._node.ring.partitions),
        )

    def _entry(self, command: ListCommand, key: bytes, record: Record) -> dict[str, object]:
        entry: dict[str, object] = {**key_json(key)}
        if command.values:
            shown = Shown(command.bucket, key, record, now_ms())
            entry["etag"] = shown.tag()
            entry["context"] = shown.context()
            entry["siblings"] = [sibling_json(sibling) for sibling in shown.live]
        return entry


def to_cursor(bucket: str, epoch: int, after: tuple[int, bytes]) -> str:
    """The token of the page that begins after (partition, key)."""
    body = msgspec.msgpack.encode((bucket, epoch, after[0], after[1]))
    raw = bytes([CURSOR_FORMAT]) + xxh3_64_digest(body)[4:] + body
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def from_cursor(token: str, bucket: str, partitions: int) -> tuple[int, bytes]:
    """Where the page begins. Raises InvalidParameter for a token that is damaged or of another bucket."""
    try:
        raw = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
        body = raw[_HEADER_BYTES:]
        if raw[:1] != bytes([CURSOR_FORMAT]) or xxh3_64_digest(body)[4:] != raw[1:_HEADER_BYTES]:
            raise _bad("is damaged, or of another version")
        of_bucket, _, partition, key = _cursor.decode(body)
    except (UnicodeError, binascii.Error, msgspec.DecodeError):
        raise _bad("is not one of ours") from None
    if of_bucket != bucket:
        raise _bad("belongs to another bucket")
    if not 0 <= partition < partitions:
        raise _bad("is of another cluster")
    return partition, key


def _bad(reason: str) -> InvalidParameter:
    return InvalidParameter(f"the cursor {reason}; send back the one from the page before", parameter="cursor")
