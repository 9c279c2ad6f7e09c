"""What holds for every test run: a skip is a failure in CI, no process outlives the run, properties replay in CI."""

import os
import signal
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import accepting

CI = os.environ.get("CI", "").strip().lower() not in {"", "0", "false", "no", "off"}

# In CI a property draws the same examples each time, so that a change is judged by itself; at a desk it looks on.
settings.register_profile("desk", deadline=None, print_blob=True)
settings.register_profile(
    "ci", deadline=None, print_blob=True, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if CI else "desk")

# Every process started by a test inherits this, so that one which outlives the run is known by it, whoever adopted it.
# Each run has its own, and runs side by side do not take each other's processes for left-overs.
RUN_MARK = f"PYTEST_RUN_MARK={uuid.uuid4()}"
os.environ.update([RUN_MARK.split("=")])
# A process that was told to end may take this long to be gone.
GRACE_S = float(os.environ.get("PYTEST_GRACE_S", "3"))
# It belongs to the interpreter, and ends with it.
INTERPRETERS_OWN = "multiprocessing.resource_tracker"

# Where the environment forbids bytecode files, every process that a test starts would compile the whole package anew,
# which is more than half of what the start of a node costs.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

accepting.install()

skipped: list[str] = []
left_over: list[str] = []


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Real processes first: these tests are long, and one that begins last would keep a single worker busy."""
    items.sort(key=lambda item: item.get_closest_marker("cluster") is None)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        skipped.append(f"{report.nodeid}: {_reason(report)}")


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped:
        skipped.append(f"{report.nodeid}: {_reason(report)}")


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    return str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    deadline = time.monotonic() + GRACE_S
    while running := list(_started_by_this_run()):
        if time.monotonic() > deadline:
            left_over.extend(f"{pid}: {command}" for pid, command in running)
            for pid, _ in running:
                _end(pid)
            break
        time.sleep(0.05)
    passed = session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}
    if passed and (left_over or (CI and skipped)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _started_by_this_run() -> Iterator[tuple[int, str]]:
    """Living processes that carry this run's mark in their environment. Nothing where there is no /proc."""
    for entry in Path("/proc").glob("[0-9]*"):
        if int(entry.name) == os.getpid():
            continue
        try:
            marked = RUN_MARK.encode() in (entry / "environ").read_bytes().split(b"\0")
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue  # gone meanwhile, or not ours to look at
        if marked and INTERPRETERS_OWN not in command:
            yield int(entry.name), command.strip()


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if CI and skipped:
        _report(terminalreporter, "skipped, which fails a run in CI", skipped)
    if left_over:
        _report(terminalreporter, "processes left running by tests, which fails the run; they were killed", left_over)


def _report(terminal: pytest.TerminalReporter, title: str, lines: list[str]) -> None:
    terminal.section(title, red=True)
    for line in lines:
        terminal.write_line(line)
