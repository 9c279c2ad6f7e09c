import json
import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from dynamo.config import Config
from dynamo.config_load import load

FILES = Path(__file__).resolve().parents[3] / "config"


def test_check_says_ok_or_what_is_wrong(cli, tmp_path):
    """With a suggestion, and the exit code of a failure."""
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text('[log]\nlevel = "debug"\n')
    bad.write_text("[log]\nlevle = 1\n")
    assert cli("config", "check", good).code == 0
    result = cli("config", "check", bad)
    assert result.code == 1
    assert "did you mean log.level" in result.err
    assert cli("config", "check", good, "--set", "cluster.partitions=3").code == 1
    assert cli("config", "check", tmp_path / "none.toml").code == 2


def test_what_show_prints_can_be_read_back(cli, tmp_path):
    """To the same settings, all of them."""
    file = tmp_path / "all.toml"
    file.write_text(cli("config", "show", "--set", "requests.read_all_share=0.5").text)
    config = load(file, {})
    assert config.requests.read_all_share == 0.5
    assert msgspec.structs.replace(config, requests=Config().requests) == Config()


def test_origins_name_the_last_source(cli, tmp_path, monkeypatch):
    """Default, file, variable, flag."""
    file = tmp_path / "n.toml"
    file.write_text('[log]\nlevel = "debug"\nformat = "text"\n[limits]\ninflight_max = 1\n')
    monkeypatch.setenv("DYNAMO__LOG__FORMAT", "json")
    monkeypatch.setenv("DYNAMO__LIMITS__INFLIGHT_MAX", "2")
    words = ("config", "show", "--config", file, "--set", "limits.inflight_max=3", "--origin")
    shown = json.loads(cli(*words, "--json").out)
    assert shown["settings"]["limits"]["inflight_max"] == 3
    assert shown["origin"]["limits.inflight_max"] == "flag"
    assert shown["origin"]["log.format"] == "DYNAMO__LOG__FORMAT"
    assert shown["origin"]["log.level"] == str(file)
    assert shown["origin"]["node.id"] == "default"
    assert "inflight_max = 3  # flag" in cli(*words).text


def test_default_toml_changes_nothing():
    """Everything in it is commented out."""
    assert load(FILES / "default.toml", {}) == Config()


def test_default_toml_shows_every_setting_with_its_default():
    """Uncommented it is the whole configuration, so it cannot fall behind the program."""
    text = (FILES / "default.toml").read_text()
    uncommented = re.sub(r"(?m)^# (?=[a-z_]+ = |\[\[)", "", text)
    assert msgspec.convert(tomllib.loads(uncommented), Config) == Config()
    shown = tomllib.loads(uncommented)
    assert {s: set(v) for s, v in shown.items()} == {s: set(v) for s, v in msgspec.to_builtins(Config()).items()}
    assert set(shown["cluster"]["members"][0]) == set(msgspec.to_builtins(Config())["cluster"]["members"][0])


def test_default_toml_explains_every_setting():
    """A comment stands above each, or above the group that it belongs to."""
    lines = (FILES / "default.toml").read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"# [a-z_]+ = ", line) and not re.match(r"# (\[\[|[a-z_]+ = )", lines[number - 1]):
            assert lines[number - 1].startswith("# "), line


@pytest.mark.parametrize("node", ["node1", "node2", "node3"])
def test_three_nodes_toml_is_one_cluster(node: str):
    """The ports of `dynamo up`, one file for all."""
    config = load(FILES / "three-nodes.toml", {}, [f"node.id={node}"])
    number = int(node[-1]) - 1
    assert (config.member.client_port, config.member.peer_port, config.member.ops_port) == (
        7610 + 10 * number,
        7611 + 10 * number,
        7612 + 10 * number,
    )


@pytest.mark.parametrize("node", ["store-a1", "store-b1", "store-c1"])
def test_production_toml_runs_on_every_machine(node: str):
    """With the node's name from the environment; every zone holds a copy."""
    config = load(FILES / "production.toml", {"DYNAMO__NODE__ID": node})
    assert config.tls.enabled
    assert len({m.zone for m in config.cluster.members}) == config.buckets.n == 3
    assert config.listen.ops_host == "127.0.0.1"
