"""When all faults have ended, of a linearizable bucket: everybody gets on, every open question is answered, and what
lies on the disks is what was answered.
"""

from __future__ import annotations

from dynamo.checker.history import Violation
from dynamo.errors import CorruptValue
from dynamo.layout.keyspaces import Keyspace, record_key
from dynamo.layout.register import Register, decode
from dynamo.protocol.commands import Action, ChangeCommand
from dynamo.simulation.cluster import Cluster, Running
from dynamo.simulation.recorder import Reply
from dynamo.simulation.register_clients import LEDGER, Rivals
from dynamo.simulation.register_disks import MAJORITY, states
from dynamo.simulation.register_recorder import RegisterRecorder
from dynamo.versioning.record import decode as decode_record

PROGRESS_S = 6.0
"""So soon after the last fault every node serves every key."""
RECOVERY_S = 60.0
"""So soon after the last fault a replica that lost its disk is one like any other."""
TIMEOUT_S = 2.0
PAUSE_S = 0.1
AUDITOR = "auditor"


class Ending:
    """One per run."""

    def __init__(self, cluster: Cluster, recorder: RegisterRecorder, crowd: Rivals) -> None:
        self.violations: list[Violation] = []
        self.progress_s = 0.0
        """How long after the last fault the last node served the last key."""
        self._cluster = cluster
        self._world = cluster.world
        self._recorder = recorder
        self._crowd = crowd
        self._dice = cluster.world.stream("ending")

    async def progress(self) -> None:
        """Each node changes and reads each key, within a stated time."""
        began = self._world.now()
        for bucket, key in self._crowd.places():
            for node in self._cluster.ids:
                await self._insist(node, bucket, key, began + PROGRESS_S)
        self.progress_s = self._world.now() - began

    async def _insist(self, node: str, bucket: str, key: bytes, until: float) -> None:
        """Change and read a key through a node until both have succeeded."""
        while True:
            made = await self._recorder.change(AUDITOR, node, self._command(bucket, key), TIMEOUT_S)
            read = await self._recorder.look(AUDITOR, node, bucket, key, TIMEOUT_S)
            if made.outcome == read.outcome == "ok":
                return
            if self._world.now() > until:
                text = f"{node} has not served it {PROGRESS_S:g} s after the last fault"
                self.violations.append(Violation("no-progress", (bucket, key.decode()), text))
                return
            await self._world.sleep(PAUSE_S)

    def _command(self, bucket: str, key: bytes) -> ChangeCommand:
        request = self._dice.randbytes(16)
        if key in self._crowd.counters:
            return ChangeCommand(bucket=bucket, key=key, action=Action.ADD, request=request, amount=1)
        return ChangeCommand(bucket=bucket, key=key, action=Action.SET, request=request, value=self._crowd.value())

    async def recover(self) -> None:
        """Wait for replicas that have lost their disk."""
        until = self._world.now() + RECOVERY_S
        while troubles := [name for name, running in self._cluster.running.items() if _is_recovering(running)]:
            if self._world.now() > until:
                text = f"{', '.join(troubles)} lack what they lost {RECOVERY_S:g} s after the last fault"
                self.violations.append(Violation("not-recovered", ("", ""), text))
                return
            await self._world.sleep(PAUSE_S)

    async def resolve(self) -> None:
        """Every request of unknown outcome gets its answer, the same through every node."""
        for key, request in list(self._crowd.doubtful):
            for node in self._cluster.ids:
                reply = await self._resolved(node, key, request)
                if reply.outcome != "ok":
                    text = f"{node} cannot say what became of {request.hex()} though all faults have ended"
                    self.violations.append(Violation("unresolved", (LEDGER, key.decode()), text))

    async def _resolved(self, node: str, key: bytes, request: bytes) -> Reply:
        command = ChangeCommand(
            bucket=LEDGER, key=key, action=Action.RESOLVE, request=self._dice.randbytes(16), target=request
        )
        return await self._recorder.change(AUDITOR, node, command, TIMEOUT_S)

    async def read(self) -> dict[bytes, Register]:
        """What every node says of every key in the end; the same, or that is a violation."""
        found: dict[bytes, Register] = {}
        for bucket, key in self._crowd.places():
            for node in self._cluster.ids:
                reply = await self._recorder.look(AUDITOR, node, bucket, key, TIMEOUT_S)
                if reply.change is None:
                    self._found("no-progress", bucket, key, f"{node} cannot read it though all faults have ended")
                    continue
                register = found.setdefault(key, decode(reply.change.register))
                if register.version != reply.change.version:
                    self._found("went-back", bucket, key, f"{node} has version {reply.change.version} in the end")
        return found

    def inspect(self, finals: dict[bytes, Register]) -> None:
        """A majority has accepted what is read in the end, and the ordinary records show it."""
        for bucket, key in self._crowd.places():
            if key not in finals:
                continue
            version = finals[key].version
            try:
                accepted = [_version(state.value) for state in states(self._cluster, bucket, key).values() if state]
            except CorruptValue:
                continue
            if sum(each == version for each in accepted) < MAJORITY or max(accepted) > version:
                self._found("not-held", bucket, key, f"version {version} is read, and accepted are {accepted}")
            shown = self._shown(bucket, key)
            if any(each != version for each in shown):
                self._found("not-learnt", bucket, key, f"version {version} is chosen, and replicas show {shown}")

    def _shown(self, bucket: str, key: bytes) -> list[int]:
        """The versions of the ordinary records that there are; a deletion may have been reaped."""
        stored = record_key(self._cluster.partition(bucket, key), bucket, key)
        nodes = self._cluster.primaries(bucket, key)
        kept = [self._cluster.platters[node].synced[Keyspace.RECORDS].get(stored) for node in nodes]
        return [max(decode_record(data).clock.values()) for data in kept if data is not None]

    def _found(self, rule: str, bucket: str, key: bytes, text: str) -> None:
        self.violations.append(Violation(rule, (bucket, key.decode()), text))


def _is_recovering(running: Running) -> bool:
    return bool(running.node.voting.waiting() or len(running.node.rebuilding))


def _version(register: bytes | None) -> int:
    return decode(register or b"").version
