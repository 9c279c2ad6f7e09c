"""Each request has exactly one outcome, by its deadline: requests in are outcomes out."""

from __future__ import annotations

from dynamo.checker.history import History, Operation, Violation


def check(history: History, margin_s: float) -> list[Violation]:
    """Calls that returned never, twice, or more than `margin_s` after their deadline."""
    found = []
    for operation in history.operations.values():
        found.extend(_faults(operation, margin_s))
    return found


def all_succeeded(history: History) -> list[Violation]:
    """For a history without faults and with patient clients: nothing fails, and nothing is unknown."""
    found = []
    for operation in history.operations.values():
        if operation.outcome != "ok":
            said = operation.last.error if operation.last else "nothing"
            found.append(_violation(operation, "needless-failure", f"the {operation.call.kind} returned {said}"))
    return found


def _faults(operation: Operation, margin_s: float) -> list[Violation]:
    call, returns = operation.call, operation.returns
    if not returns:
        return [_violation(operation, "no-outcome", f"the {call.kind} through {call.via} never returned")]
    found = []
    if len(returns) > 1:
        said = " and ".join(each.outcome for each in returns)
        found.append(_violation(operation, "two-outcomes", f"the {call.kind} returned {said}"))
    late_s = returns[0].at - call.deadline
    if late_s > margin_s:
        found.append(
            _violation(operation, "late-outcome", f"the {call.kind} returned {late_s:.3f} s after its deadline")
        )
    return found


def _violation(operation: Operation, rule: str, text: str) -> Violation:
    return Violation(rule, operation.call.place, text, (operation.call.op,))
