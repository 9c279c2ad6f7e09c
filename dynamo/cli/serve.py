"""`dynamo serve`: one node in this process, until SIGINT or SIGTERM."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

import click

from dynamo.cli.config import settings_option
from dynamo.config_load import load

_PR_SET_PDEATHSIG = 1


@click.command()
@click.option("--config", "file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="TOML file.")
@settings_option
@click.option("--parent", type=int, hidden=True, help="Stop when this process, which started us, has ended.")
def serve(file: Path | None, settings: tuple[str, ...], parent: int | None) -> int:
    """Run one node. Logs go to standard error."""
    config = load(file, os.environ, settings)
    if parent is not None:
        stop_with(parent)
    from dynamo.server import run

    return run(config)


def stop_with(parent: int) -> None:
    """Ask the kernel for a SIGTERM when the parent ends, however it ends: else a killed `dynamo up` would leave nodes.

    Linux only; elsewhere a killed parent leaves its nodes, and the next `up` says that their ports are in use.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            sys.exit(1)  # it ended before the kernel was asked
