"""The walk through linearizable buckets in docs/api.md is carried out, line by line, and answers what it shows."""

import asyncio
import re
from pathlib import Path

from tests.api.serving import fresh

TEXT = (Path(__file__).parents[2] / "docs/api.md").read_text(encoding="utf-8")
SECTION = TEXT.partition("### Linearizable buckets\n")[2].partition("\n### ")[0]


async def test_the_walk_does_what_is_shown(api):
    """Every command in its order; each line shown below it is in its output, with anything at the dots."""
    bucket = fresh("accounts")
    steps = [step for block in re.findall(r"```console\n(.*?)```", SECTION, re.DOTALL) for step in block.split("\n\n")]
    assert len(steps) == 10
    for step in steps:
        command, *shown = step.strip().splitlines()
        placed = command.removeprefix("$ ").replace("localhost:7610", f"127.0.0.1:{api.client_port}")
        output = await _run(placed.replace("accounts", bucket))
        for line in shown:
            pattern = ".*".join(re.escape(part) for part in line.replace("accounts", bucket).split("..."))
            assert any(re.fullmatch(pattern, got) for got in output.splitlines()), (command, line, output)


async def _run(command: str) -> str:
    process = await asyncio.create_subprocess_shell(command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0, command
    return output.decode()
