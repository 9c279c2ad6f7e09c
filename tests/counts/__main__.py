"""`make baseline`: count what the hot paths take, show how that differs from what is recorded, and record it.

`--show` records nothing. `--json FILE` writes every count, function by function, and records nothing: what the test in
`test_guard.py` asks for.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import sys
import tempfile
from pathlib import Path

from tests.counts.nodes import stand_still
from tests.counts.wires import WiredLoop

MEMORY = Path("/dev/shm")  # a sync there waits for nobody


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    loop = WiredLoop()
    stand_still(loop)
    # Only now: what is imported takes the clocks with it.
    from tests.counts.baseline import cost, file, findings, load, save
    from tests.counts.measure import counted
    from tests.counts.places import place

    asyncio.set_event_loop(loop)
    # A collection runs finalizers, whenever it likes.
    gc.disable()
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as folder:
        counts = loop.run_until_complete(counted(Path(folder), place))
    costs = {name: cost(operations, count) for name, (operations, count) in counts.items()}
    if options.json is not None:
        options.json.write_text(json.dumps(costs))
        return 0
    before = load() or {}
    for name, each in costs.items():
        then = before.get(name, {}).get("instructions")
        change = f"  {each.instructions / then - 1:+.1%}" if then else ""
        sys.stdout.write(f"{name:22} {each.instructions:9,.1f} instructions {each.calls:7,.1f} calls into C{change}\n")
    sys.stdout.write("".join(f"{finding}\n" for finding in findings(before, costs)))
    if not options.show:
        save(costs)
        sys.stdout.write(f"recorded in {file()}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.counts", description=__doc__)
    parser.add_argument("--show", action="store_true", help="record nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all counts there, and record nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
