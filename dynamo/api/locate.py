"""Where a key lives and what the ring looks like: for people, and for clients that send requests to the right node."""

from __future__ import annotations

from dynamo.api import parameters, wire
from dynamo.api.answer import Answer, json_answer
from dynamo.api.call import Call
from dynamo.api.facade import Node
from dynamo.api.records import Records
from dynamo.api.representation import key_json
from dynamo.protocol.http_fields import EPOCH, REQUEST_ID
from dynamo.ring.ring import Member
from dynamo.ring.token import token


class Map:
    """The handlers of the ring's map."""

    def __init__(self, node: Node, records: Records) -> None:
        self._node = node
        self._records = records

    async def locate(self, call: Call) -> Answer:
        """GET of one key's preference list, primaries first, each in the order in which it is asked."""
        parameters.parse(call.query, parameters.NOTHING)
        bucket, key = wire.bucket_of(call.bucket_segment), wire.key_of(call.key_segment)
        n = self._records.bucket(bucket).n
        preference = self._node.preference
        partition = preference.partition(bucket, key)
        primaries, fallbacks = preference.primaries(partition, n), preference.fallbacks(partition, n)
        content = {
            "bucket": bucket,
            **key_json(key),
            "partition": partition,
            "token": f"{token(bucket, key):016x}",
            "epoch": self._node.ring.epoch,
            "replicas": [
                *(self._replica(node, "primary") for node in primaries),
                *(self._replica(node, "fallback") for node in fallbacks),
            ],
        }
        return self._page(call, content)

    async def ring(self, call: Call) -> Answer:
        """GET of the whole ring: members, and the owner of each partition."""
        parameters.parse(call.query, parameters.NOTHING)
        ring = self._node.ring
        content = {
            "cluster": self._node.config.cluster.name,
            "epoch": ring.epoch,
            "partitions": ring.partitions,
            "members": [
                {
                    **_address(member),
                    "zone": member.zone,
                    "host_label": member.host_label,
                    "weight": member.weight,
                }
                for member in ring.members
            ],
            "owners": ring.owners,
        }
        return self._page(call, content)

    def _replica(self, node: str, role: str) -> dict[str, object]:
        member = self._node.ring.member(node)
        assert member is not None, "a preference list names members"
        address = _address(member)
        return {"node": address.pop("id"), **address, "host_label": member.host_label, "role": role}

    def _page(self, call: Call, content: object) -> Answer:
        fields = {REQUEST_ID: call.trace, EPOCH: str(self._node.ring.epoch), "Cache-Control": "no-cache"}
        return json_answer(200, content, fields)


def _address(member: Member) -> dict[str, object]:
    return {"id": member.id, "host": member.host, "client_port": member.client_port}
