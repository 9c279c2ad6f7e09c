"""The operations listener: is it alive, is it ready, what does it count, how does it see the cluster."""

from __future__ import annotations

import platform
import time

from dynamo.api import parameters
from dynamo.api.answer import Answer, json_answer
from dynamo.api.call import Call
from dynamo.api.facade import Node
from dynamo.errors import NotReady
from dynamo.membership.view import State
from dynamo.protocol.codec import PROTOCOL_MAX, PROTOCOL_MIN
from dynamo.protocol.http_fields import REQUEST_ID
from dynamo.protocol.messages import StatusReport
from dynamo.ring.ring import Member
from dynamo.version import VERSION

VERBOSE = frozenset({"verbose"})


class Operations:
    """The handlers of the operations listener."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def livez(self, call: Call) -> Answer:
        """200 while the process can answer at all: a reason to restart it if it does not."""
        parameters.parse(call.query, VERBOSE)
        return _text(call, "ok\n")

    async def readyz(self, call: Call) -> Answer:
        """200 if the node should get traffic, else 503 with the reasons."""
        parameters.parse(call.query, VERBOSE)
        reasons = self._node.readiness()
        if reasons:
            raise NotReady("; ".join(reasons), reasons=reasons)
        return _text(call, "ok\n")

    async def metrics(self, call: Call) -> Answer:
        """The numbers, in the form that the scraper asks for."""
        page, content_type = self._node.metrics.expose(call.request.headers.get("Accept", ""))
        return Answer(200, {"Content-Type": content_type, REQUEST_ID: call.trace}, page)

    async def version(self, call: Call) -> Answer:
        parameters.parse(call.query, parameters.NOTHING)
        content = {
            "version": VERSION,
            "python": platform.python_version(),
            "protocol": {"min": PROTOCOL_MIN, "max": PROTOCOL_MAX},
        }
        return json_answer(200, content, {REQUEST_ID: call.trace})

    async def cluster(self, call: Call) -> Answer:
        """Every member as this node sees it, with its own report where it gave one."""
        given = parameters.parse(call.query, parameters.TIMEOUT)
        requests = self._node.config.requests
        timeout_s = min(given.timeout_s() or requests.timeout_s, requests.timeout_max_s)
        answers = await self._node.cluster_status(time.monotonic() + timeout_s, call.trace)
        reports = {report.node: report for report in answers if isinstance(report, StatusReport)}
        ring = self._node.ring
        content = {
            "cluster": self._node.config.cluster.name,
            "epoch": ring.epoch,
            "node": self._node.id,
            "nodes": [
                {
                    **_node_json(member, reports.get(member.id), ring.owners.count(member.id)),
                    "seen": _seen(member.id, {other.id: reports.get(other.id) for other in ring.members}),
                }
                for member in ring.members
            ],
        }
        return json_answer(200, content, {REQUEST_ID: call.trace})


def _text(call: Call, text: str) -> Answer:
    fields = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store", REQUEST_ID: call.trace}
    return Answer(200, fields, text.encode())


def _node_json(member: Member, report: StatusReport | None, partitions: int) -> dict[str, object]:
    """A node's facts are null where it did not answer."""
    return {
        "id": member.id,
        "host": member.host,
        "client_port": member.client_port,
        "peer_port": member.peer_port,
        "ops_port": member.ops_port,
        "zone": member.zone,
        "host_label": member.host_label,
        "weight": member.weight,
        "partitions": partitions,
        "state": "down" if report is None else "up",
        **{
            name: None if report is None else getattr(report, name)
            for name in ("version", "keys", "store_bytes", "uptime_s", "incarnation", "epoch")
        },
    }


def _seen(node: str, reports: dict[str, StatusReport | None]) -> dict[str, str]:
    """What each other member holds the node to be; unknown where it did not answer."""
    return {watcher: _said_by(report, node) for watcher, report in reports.items() if watcher != node}


def _said_by(report: StatusReport | None, node: str) -> str:
    states = {said.node: State(said.state).name.lower() for said in report.members} if report else {}
    return states.get(node, "unknown")
