"""`make mutants`: each mechanism is taken out in turn, and the tests that are to notice must fail.

First the same tests run on the store as it is, and must pass: what is killed is then the mutant, not the test. Ends
with 1 if anything survives.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.mutants.catalogue import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
PASSED, FAILED = 0, 1
LIMIT_S = 600


def run(tests: Sequence[str], *options: str) -> tuple[int, list[str], float]:
    """Pytest's exit code, the tests that failed, and the seconds it took."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, *tests]
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    failed = [line.split(" ")[1] for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    if done.returncode not in (PASSED, FAILED):
        print(done.stdout[-3000:], done.stderr[-3000:], file=sys.stderr)
    return done.returncode, failed, time.monotonic() - began


def verdict(mutant: Mutant) -> tuple[bool, str]:
    """Whether every test of the row failed without the mechanism, and a line that says so."""
    code, failed, seconds = run(mutant.tests, "-p", "tests.mutants.plugin", "--mutant", mutant.name)
    missed = [test for test in mutant.tests if not any(each.startswith(test) for each in failed)]
    killed = code == FAILED and not missed
    by = ", ".join(test.rpartition("::")[2] for test in mutant.tests if test not in missed) or "nobody"
    return killed, f"{'killed' if killed else 'SURVIVED':9} {mutant.name:22} {mutant.what:58} by {by} ({seconds:.0f} s)"


def main(names: Sequence[str]) -> int:
    """Run the rows of these names, or all."""
    chosen = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    if len(chosen) < len(names):
        print(f"there are: {', '.join(mutant.name for mutant in MUTANTS)}", file=sys.stderr)
        return 2
    tests = list(dict.fromkeys(test for mutant in chosen for test in mutant.tests))
    code, failed, seconds = run(tests)
    if code != PASSED:
        print(f"the store as it is fails {', '.join(failed) or 'to run them'}", file=sys.stderr)
        return 1
    print(f"the store as it is passes all {len(tests)} ({seconds:.0f} s)", flush=True)
    survivors = 0
    for mutant in chosen:
        killed, line = verdict(mutant)
        survivors += not killed
        print(line, flush=True)
    print(f"{len(chosen) - survivors} of {len(chosen)} killed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
