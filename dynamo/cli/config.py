"""`dynamo config`: what a node would run with, and whether it would run."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

import click

from dynamo.cli.output import OK, as_json_option, emit, note
from dynamo.cli.toml_text import toml_of, tree_of
from dynamo.config_load import ENV_PREFIX, load

settings_option = click.option(
    "--set", "settings", multiple=True, metavar="SECTION.KEY=VALUE", help="Overrides a setting; may be repeated."
)


@click.group()
def config() -> None:
    """Settings come from the defaults, a TOML file, DYNAMO__SECTION__KEY, and flags, each over those before."""


@config.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@settings_option
@as_json_option
def check(file: Path, settings: tuple[str, ...], as_json: bool) -> int:
    """Read FILE as a node would; every problem is an error."""
    found = load(file, os.environ, settings)
    if as_json:
        emit({"file": str(file), "ok": True, "node": found.node.id})
    else:
        note(f"{file}: ok, node {found.node.id} of {len(found.cluster.members)} in cluster {found.cluster.name}")
    return OK


@config.command()
@click.option("--config", "file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="TOML file.")
@settings_option
@click.option("--origin", is_flag=True, help="Say where each setting comes from.")
@as_json_option
def show(file: Path | None, settings: tuple[str, ...], origin: bool, as_json: bool) -> int:
    """Print all settings in force, as TOML that can be read back."""
    tree = tree_of(load(file, os.environ, settings))
    origins = origins_of(tree, file, settings) if origin else {}
    if as_json:
        emit({"settings": tree, **({"origin": origins} if origin else {})})
    else:
        click.echo(toml_of(tree, origins), nl=False)
    return OK


def origins_of(
    tree: Mapping[str, Mapping[str, object]], file: Path | None, settings: tuple[str, ...]
) -> dict[str, str]:
    """The last source that named each setting."""
    in_file = tomllib.loads(file.read_text(encoding="utf-8")) if file is not None else {}
    flags = {setting.partition("=")[0] for setting in settings}
    found = {}
    for section, values in tree.items():
        for name in values:
            variable = f"{ENV_PREFIX}{section}__{name}".upper()
            if f"{section}.{name}" in flags:
                found[f"{section}.{name}"] = "flag"
            elif variable in os.environ:
                found[f"{section}.{name}"] = variable
            elif name in in_file.get(section, {}):
                found[f"{section}.{name}"] = str(file)
            else:
                found[f"{section}.{name}"] = "default"
    return found
