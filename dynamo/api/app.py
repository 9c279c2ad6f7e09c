"""From a request to its handler, and from whatever the handler does to exactly one answer.

Routes are a table, not patterns: the first two segments of a path name a collection, the third a bucket, the rest is
the key, slashes and all. Nothing is decoded before the handler. Every failure becomes a problem document here, with the
request's id; what we did not foresee is logged with its traceback and shown without.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, cast

from aiohttp import web
from multidict import istr

from dynamo.api import admin, console_files, openapi
from dynamo.api.answer import Answer
from dynamo.api.audit_admin import Audit
from dynamo.api.batch import Batch
from dynamo.api.buckets import BucketPages
from dynamo.api.call import Call, Handler
from dynamo.api.cas import CompareAndSet
from dynamo.api.console_data import ConsoleData
from dynamo.api.facade import Node
from dynamo.api.hints_admin import Hints
from dynamo.api.hot_path import Carrying
from dynamo.api.listing import Listing
from dynamo.api.locate import Map
from dynamo.api.pbs_admin import Pbs
from dynamo.api.plain import PlainRequest
from dynamo.api.problems import Refusal, outcome_of, problem
from dynamo.api.records import Records
from dynamo.api.registers import Registers
from dynamo.api.repair_admin import Repairs
from dynamo.api.request import Request
from dynamo.api.staleness_admin import Staleness
from dynamo.api.wire import announced_bytes
from dynamo.errors import BadRequest, DynamoError, Internal, MethodNotAllowed, RouteNotFound
from dynamo.node.admission import shed_reason
from dynamo.protocol.http_fields import REQUEST_ID
from dynamo.telemetry.logs import Log
from dynamo.telemetry.metrics import OPS
from dynamo.telemetry.trace import mint, request_id

journal = Log("api")

_REQUEST_ID = istr(REQUEST_ID)
_TRACEPARENT = istr("traceparent")


class Arrival(Protocol):
    """A connection that knows when its request came."""

    def begin(self) -> float: ...


class Route:
    """A path template and its methods. `ops` names the methods that are counted and admitted as client requests."""

    def __init__(
        self, template: str, handlers: dict[str, Handler], ops: dict[str, str] | None = None, *, hot: bool = False
    ) -> None:
        self.template = template
        self.handlers = handlers
        self.ops = ops or {}
        if "GET" in handlers:
            handlers.setdefault("HEAD", handlers["GET"])
            if "GET" in self.ops:
                self.ops.setdefault("HEAD", self.ops["GET"])
        self.hot = frozenset(self.ops if hot else ())
        """Methods that may take the hot path: their handlers wait for the node only."""


class App:
    """What a listener calls with each request."""

    def __init__(self, node: Node, routes: list[Route]) -> None:
        self._admission = node.admission
        self._metrics = node.metrics
        limits = node.config.limits
        self._bodies_max = dict.fromkeys(OPS, limits.value_bytes_max) | {"cas": limits.object_bytes_max}
        self._routes = routes
        self._exact = {route.template: route for route in routes if "{" not in route.template}
        self._files = {r.template.removesuffix("/{file}"): r for r in routes if r.template.endswith("/{file}")}
        self._buckets = {_collection(r): r for r in routes if r.template.endswith("/{bucket}")}
        self._keys = {_collection(r): r for r in routes if r.template.endswith("/{bucket}/{key}")}

    def table(self) -> Iterator[tuple[str, str]]:
        """Every (method, template), for the test that compares them with the published contract.

        HEAD is answered wherever GET is, and listed only where the contract speaks of it: for values.
        """
        for route in self._routes:
            for method in route.handlers:
                if method != "HEAD" or ("HEAD" in route.ops and "{key}" in route.template):
                    yield method, route.template

    async def __call__(self, request: web.BaseRequest) -> Answer:
        """The answer to a request. Raises nothing."""
        trace = _trace(request)
        arrived = cast("Arrival", request.protocol).begin()
        path, _, query = request.raw_path.partition("?")
        call = Call(request, trace, path, query, arrived)
        try:
            if not path.startswith("/"):
                call.path = _origin_form(path)
            route = self._match(call)
            handler = route.handlers.get(request.method)
            if handler is None:
                raise _not_allowed(route, request.method)
        except (DynamoError, Refusal) as error:
            return self._finished(_refused(error, call))
        return await self._answered(call, handler, route.ops.get(request.method))

    def hot(self, request: PlainRequest, arrived: float) -> Carrying | None:
        """The same of a request on the hot path, to be driven by hand; None if it has to go the ordinary way."""
        path, _, query = request.raw_path.partition("?")
        parts = path.split("/", 4)
        if len(parts) < 5 or parts[1] != "v1":
            return None
        route = self._keys.get(parts[2])
        if route is None or request.method not in route.hot:
            return None
        trace = _trace(request) if request.block.is_named else mint()
        call = Call(request, trace, path, query, arrived, parts[3], parts[4], request.block.is_bare)
        return self._answered(call, route.handlers[request.method], route.ops[request.method])

    async def _answered(self, call: Call, handler: Handler, op: str | None) -> Answer:
        """What the handler makes of a request, be that an error. Raises nothing.

        A client's request runs under admission, and is counted once, whatever becomes of it.
        """
        body_bytes = 0
        if op is not None:
            if call.request.body_exists:
                body_bytes = announced_bytes(call.request, self._bodies_max[op])
            refused = self._admission.enter(body_bytes, call.started)
            if refused is not None:
                self._metrics.shed_requests[shed_reason(refused)].value += 1
                return self._finished(_refused(refused, call))
        outcome = "error"
        try:
            answer = await handler(call)
            outcome = "ok"
        except (DynamoError, Refusal) as error:
            outcome = outcome_of(error.error if isinstance(error, Refusal) else error)
            answer = _refused(error, call)
        except Exception as error:  # noqa: BLE001  # whatever went wrong, the client gets an answer and we a line
            journal.bug("request failed", error, request_id=call.trace, method=call.request.method)
            answer = _refused(Internal("this is a bug; the node's log has more under this id"), call)
        finally:
            if op is not None:
                self._admission.leave(body_bytes)
                self._metrics.requests[op, call.level].finished(outcome, call.elapsed_s())
        return self._finished(answer)

    def _finished(self, answer: Answer) -> Answer:
        """An answer as this node gives it now."""
        if self._admission.draining:
            answer.close = True
        return answer

    def _match(self, call: Call) -> Route:
        """The route of a path, its parts laid into the call. Raises RouteNotFound."""
        route = None
        parts = call.path.split("/", 4)
        if len(parts) >= 4 and parts[1] == "v1":
            call.bucket_segment = parts[3]
            if len(parts) == 5:
                call.key_segment = parts[4]
                route = self._keys.get(parts[2])
            else:
                route = self._buckets.get(parts[2])
        route = route or self._exact.get(call.path) or self._files.get(call.path.rpartition("/")[0])
        if route is None:
            raise RouteNotFound("there is no such resource; GET /openapi.json lists what there is")
        return route


def client_app(node: Node) -> App:
    """The API for clients."""
    registers = Registers(node)
    records, cas = Records(node, registers), CompareAndSet(node, registers)
    listing, batch = Listing(node, records), Batch(node, records)
    buckets, ring = BucketPages(node, records), Map(node, records)
    return App(
        node,
        [
            Route(
                "/v1/kv/{bucket}/{key}",
                {"GET": records.get, "PUT": records.put, "POST": records.put, "DELETE": records.delete},
                {"GET": "get", "PUT": "put", "POST": "put", "DELETE": "delete"},
                hot=True,
            ),
            Route("/v1/kv/{bucket}", {"GET": listing.get, "POST": records.post}, {"GET": "list", "POST": "put"}),
            Route("/v1/cas/{bucket}/{key}", {"POST": cas.post}, {"POST": "cas"}, hot=True),
            Route("/v1/resolve/{bucket}/{key}", {"POST": cas.resolve}, {"POST": "cas"}, hot=True),
            Route("/v1/batch", {"POST": batch.post}),
            Route("/v1/buckets", {"GET": buckets.all}),
            Route("/v1/buckets/{bucket}", {"GET": buckets.get, "PUT": buckets.put, "DELETE": buckets.delete}),
            Route("/v1/locate/{bucket}/{key}", {"GET": ring.locate}),
            Route("/v1/ring", {"GET": ring.ring}),
            Route("/openapi.json", {"GET": openapi.document}),
            Route("/docs", {"GET": openapi.page}),
        ],
    )


def operations_app(node: Node) -> App:
    """The API for operators and their machines."""
    handlers, hints = admin.Operations(node), Hints(node)
    audit, repairs, staleness = Audit(node), Repairs(node), Staleness(node)
    return App(
        node,
        [
            Route("/livez", {"GET": handlers.livez}),
            Route("/readyz", {"GET": handlers.readyz}),
            Route("/metrics", {"GET": handlers.metrics}),
            Route("/version", {"GET": handlers.version}),
            Route("/console", {"GET": console_files.page}),
            Route("/console/{file}", {"GET": console_files.file}),
            Route("/admin/v1/console", {"GET": ConsoleData(node).show}),
            Route("/admin/v1/cluster", {"GET": handlers.cluster}),
            Route("/admin/v1/audit", {"GET": audit.status, "POST": audit.run}),
            Route("/admin/v1/pbs", {"GET": Pbs(node).show}),
            Route("/admin/v1/repair", {"GET": repairs.status, "POST": repairs.start}),
            Route("/admin/v1/staleness", {"GET": staleness.status, "POST": staleness.switch}),
            Route("/admin/v1/hints", {"GET": hints.status}),
            Route("/admin/v1/hints/pause", {"POST": hints.pause}),
            Route("/admin/v1/hints/resume", {"POST": hints.resume}),
            Route("/admin/v1/hints/drop", {"POST": hints.drop}),
            Route("/admin/v1/hints/wait", {"GET": hints.wait, "POST": hints.wait}),
        ],
    )


def _trace(request: Request) -> str:
    headers = request.headers
    return request_id(headers.get(_REQUEST_ID), headers.get(_TRACEPARENT))


def _not_allowed(route: Route, method: str) -> Refusal:
    allowed = sorted(route.handlers)
    text = ", ".join(allowed)
    return Refusal(MethodNotAllowed(f"{method[:32]} is not possible here; {text} are", allow=allowed), {"Allow": text})


def _refused(error: DynamoError | Refusal, call: Call) -> Answer:
    method = call.request.method
    if isinstance(error, Refusal):
        return problem(error.error, call.trace, method, error.fields)
    return problem(error, call.trace, method)


def _collection(route: Route) -> str:
    return route.template.split("/")[2]


def _origin_form(target: str) -> str:
    """The path of an absolute-form target (`http://host/path`), as proxies send it. Raises BadRequest for others."""
    _, scheme, rest = target.partition("://")
    if not scheme:
        raise BadRequest("the request target is not a path")
    return "/" + rest.partition("/")[2]
