"""POST of a compare-and-set. Its place in the contract is taken; the answer is 501 until linearizable buckets exist."""

from __future__ import annotations

from dynamo.api import wire
from dynamo.api.answer import Answer
from dynamo.api.call import Call
from dynamo.errors import NotImplementedYet


async def post(call: Call) -> Answer:
    """Refuses, once the bucket and the key are known to be well-formed. Raises NotImplementedYet."""
    wire.bucket_of(call.bucket_segment)
    wire.key_of(call.key_segment)
    raise NotImplementedYet("compare-and-set needs a linearizable bucket, and those are not available yet")
