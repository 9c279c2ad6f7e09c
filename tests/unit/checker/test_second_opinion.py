"""The package detangle searches in another way (Wing and Gong, with Lowe's cache): it must say what we say."""

from random import Random

import pytest
from detangle import lin

from dynamo.checker import search
from dynamo.checker.linearizability import check_key
from dynamo.checker.models import model_for
from dynamo.checker.operation import Op, considered
from tests.unit.checker.oracle import Taste, draw

TASTES = {
    "unique values": Taste(unknown=0.05),
    "three values, secret refusals": Taste(values=3, told=0.3, unknown=0.05),
    "three values, mostly conditions": Taste(kinds=("get", "cas", "cas", "put"), values=3, told=0.5, unknown=0.02),
}
SIZES = (30, 100)
EACH = 150


def theirs(ops: list[Op]) -> bool:
    """Whether detangle finds an order."""
    return lin.check([_theirs(op) for op in considered(ops)], lin.Register()).ok


def _theirs(op: Op) -> lin.Operation:
    names = {"get": "read", "put": "write", "cas": "cas"}
    argument = {"get": None, "put": op.written, "cas": (op.expected, op.written)}[op.kind]
    output = {"get": op.seen, "put": None, "cas": op.applied}[op.kind]
    if op.outcome == "unknown":
        return lin.Operation(op.index, op.process, names[op.kind], argument, op.called, 0.0, None, lin.INFO)
    if op.kind == "cas" and op.told:
        # It has no refusal that tells: then the read that it amounts to is all that is asked.
        names, argument, output = {"cas": "read"}, None, op.seen
    return lin.Operation(
        op.index, op.process, names[op.kind], argument, op.called, 0.0, output, lin.OK, op.returned, 0.0
    )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("taste", TASTES)
def test_another_checker_says_the_same(taste: str, size: int):
    """On histories too large to try every order."""
    verdicts = {True: 0, False: 0}
    for seed in range(EACH):
        ops = draw(Random(f"{taste}/{size}/{seed}"), size, TASTES[taste])
        for op in ops:
            if op.kind == "cas" and not op.applied and op.told and op.seen == op.expected:
                op.told, op.seen = False, None
        truth = theirs(ops)
        verdicts[truth] += 1
        assert (check_key("k", ops, "kv").result == "legal") == truth, seed
        assert (search.check("k", ops, model_for("kv", ops)).result == "legal") == truth, seed
    assert min(verdicts.values()) > EACH / 20, "both kinds were drawn"
