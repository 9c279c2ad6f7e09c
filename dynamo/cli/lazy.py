"""A group of verbs that imports a verb when it runs, so that `dynamo --help` and the next verb never pay for it."""

from __future__ import annotations

import importlib
from typing import NamedTuple

import click

from dynamo.cli.output import FAILED


class Verb(NamedTuple):
    """A row of a table of verbs."""

    place: str
    """Where it lives, `module:name`."""
    summary: str
    """The line that stands for it in the help."""
    failed: int = FAILED
    """The exit code of a failure, where 1 is the verb's own word for something definite."""


class LazyGroup(click.Group):
    """A click group over a table of verbs. Its help is written from the table alone."""

    def __init__(self, name: str, verbs: dict[str, Verb], summary: str) -> None:
        super().__init__(name=name, help=summary)
        self._verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order of the table."""
        return list(self._verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb; None if there is no such verb."""
        verb = self._verbs.get(cmd_name)
        if verb is None:
            return None
        module, _, name = verb.place.partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command), f"{verb.place} is a verb"
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table as help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.summary) for name, verb in self._verbs.items()])
