"""What the API needs of a node: the surface of `node/node.py`, declared, so that tests can stand in for a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from dynamo.config import Config
from dynamo.errors import DynamoError
from dynamo.node.admission import Admission
from dynamo.node.audit_book import AuditStatus
from dynamo.node.hint_desk import HintStatus
from dynamo.node.judging import JudgeStatus
from dynamo.node.repairs import RepairBoard
from dynamo.protocol.bucket import BucketProperties
from dynamo.protocol.commands import (
    ChangeCommand,
    ChangeOutcome,
    ListCommand,
    ListOutcome,
    ReadCommand,
    ReadOutcome,
    WriteCommand,
    WriteOutcome,
)
from dynamo.protocol.messages import StatusReport
from dynamo.ring.preference_list import PreferenceLists
from dynamo.ring.ring import Ring
from dynamo.telemetry.history import History
from dynamo.telemetry.metrics import Metrics
from dynamo.telemetry.prediction import Prediction


class Buckets(Protocol):
    """The buckets that exist."""

    def known(self, name: str) -> BucketProperties | None:
        """A bucket's properties; None if there is no such bucket."""

    def existing(self, name: str) -> BucketProperties | None:
        """The same where it matters that there is none. Raises NotReady while this node cannot tell."""

    def all(self) -> list[BucketProperties]:
        """Existing buckets in name order."""


class HintDesk(Protocol):
    """The hints that this node keeps, for operators."""

    @property
    def paused(self) -> bool: ...
    @property
    def inflight(self) -> int: ...

    def status(self) -> Sequence[HintStatus]:
        """Targets with hints here, in order."""

    async def pause(self) -> None:
        """Stop the delivery. Raises DynamoError."""

    async def resume(self) -> None:
        """Deliver again. Raises DynamoError."""

    async def drop(self, target: str) -> int:
        """Throw away what is kept for a target; how many. Raises InvalidParameter, DynamoError."""

    async def wait(self, deadline: float) -> Sequence[str]:
        """Return once all that is kept now is delivered; the targets that still have some of it at the deadline."""


class Audit(Protocol):
    """The audit of what this node stores."""

    def status(self) -> AuditStatus:
        """How it stands."""

    def ask(self) -> None:
        """Have a pass made now."""


class Judge(Protocol):
    """What measures how stale reads are."""

    def status(self) -> JudgeStatus:
        """How it stands."""

    def switch(self, *, on: bool) -> None:
        """Begin or cease."""


class Pbs(Protocol):
    """What this node predicts of staleness."""

    @property
    def replicas(self) -> int: ...
    @property
    def prediction(self) -> Prediction | None: ...

    def why_not(self) -> str:
        """Why there can be no prediction; empty if there can."""


class Node(Protocol):
    """One node. Deadlines are absolute seconds of the monotonic clock; `done` may be called before the call returns."""

    @property
    def id(self) -> str: ...
    @property
    def config(self) -> Config: ...
    @property
    def ring(self) -> Ring: ...
    @property
    def preference(self) -> PreferenceLists: ...
    @property
    def buckets(self) -> Buckets: ...
    @property
    def audit(self) -> Audit: ...
    @property
    def pbs(self) -> Pbs: ...
    @property
    def admission(self) -> Admission: ...
    @property
    def hint_desk(self) -> HintDesk: ...
    @property
    def judge(self) -> Judge: ...
    @property
    def repairs(self) -> RepairBoard: ...
    @property
    def history(self) -> History: ...
    @property
    def metrics(self) -> Metrics: ...

    def read(
        self, command: ReadCommand, deadline: float, trace: str, done: Callable[[ReadOutcome | DynamoError], None]
    ) -> None:
        """One GET. `done` is called exactly once."""

    def write(
        self, command: WriteCommand, deadline: float, trace: str, done: Callable[[WriteOutcome | DynamoError], None]
    ) -> None:
        """One PUT or DELETE. `done` is called exactly once; what was started goes on whoever listens."""

    def change(
        self, command: ChangeCommand, deadline: float, trace: str, done: Callable[[ChangeOutcome | DynamoError], None]
    ) -> None:
        """One change of a key in a linearizable bucket. As `write`."""

    def read_register(
        self,
        bucket: str,
        key: bytes,
        deadline: float,
        trace: str,
        done: Callable[[ChangeOutcome | DynamoError], None],
    ) -> None:
        """One linearizable read: an outcome that was not applied, with what it saw. As `read`."""

    async def list_keys(self, command: ListCommand, deadline: float, trace: str) -> ListOutcome:
        """One page of a bucket's keys. Raises DynamoError."""

    async def put_bucket(self, wanted: BucketProperties, deadline: float, trace: str) -> BucketProperties:
        """Make or change a bucket. Raises BucketExists where mode or n would change, InvalidParameter."""

    async def delete_bucket(self, name: str, deadline: float, trace: str) -> None:
        """Drop an empty bucket. Raises BucketNotFound, BucketNotEmpty."""

    def readiness(self) -> list[str]:
        """Why this node should get no traffic; empty when it is ready."""

    async def cluster_status(self, deadline: float, trace: str) -> Sequence[StatusReport | str]:
        """Each node's report, or the id of one that gave none."""
