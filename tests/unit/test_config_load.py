from pathlib import Path

import msgspec
import pytest

from dynamo import config_load as settings
from dynamo.config import BucketsSection, Config, MemberSection
from dynamo.config_load import checked, load
from dynamo.errors import ConfigError
from dynamo.protocol import bucket
from dynamo.ring import ring

THREE = """
[node]
id = "node2"
data_dir = "data/two"

[cluster]
name = "shop"
partitions = 64

[[cluster.members]]
id = "node1"
host = "10.0.0.1"
zone = "east"
host_label = "rack1-a.example"

[[cluster.members]]
id = "node2"
host = "10.0.0.2"
weight = 2

[requests]
timeout_s = 1.5
"""


def refused(text: str = "", *, environment: dict[str, str] | None = None, flags: tuple[str, ...] = ()) -> str:
    """What is said about a configuration that is refused."""
    with pytest.raises(ConfigError) as refusal:
        load(None, environment or {}, flags, text)
    return refusal.value.detail


def test_the_defaults_are_a_node():
    """With nothing said, a cluster of one."""
    assert load(None, {}) == Config()
    assert Config().member == MemberSection(id="node1")


def test_a_file_is_read():
    """Sections, nested members, and the rest by default."""
    config = load(None, {}, text=THREE)
    assert (config.node.id, config.cluster.name, config.cluster.partitions) == ("node2", "shop", 64)
    assert config.member == MemberSection(id="node2", host="10.0.0.2", weight=2)
    assert config.cluster.members[0].zone == "east"
    assert [m.host_label for m in config.cluster.members] == ["rack1-a.example", ""]
    assert config.requests.timeout_s == 1.5
    assert config.limits == Config().limits


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ('host_label = "a b"', "", "host_label 'a b' of member node1 must match"),
        ('host_label = "-a"', "", "must match"),
        ('host_label = "a"\nzone = "x"', 'host_label = "a"\nzone = "y"', "a machine is in one zone"),
        ('host_label = "node2"\nzone = "x"', "", "host 'node2' is in zone '', and another member says 'x'"),
        ('host_label = "a"\nzone = "x"', 'host_label = "a"', "host 'a' is in zone '', and another member says 'x'"),
    ],
)
def test_hosts_that_cannot_be_are_refused(first, second, said):
    """Names that no machine has, and a machine in two zones."""
    members = f"[[cluster.members]]\nid = 'node1'\n{first}\n[[cluster.members]]\nid = 'node2'\n{second}\n"
    assert said in refused(members)


def test_later_sources_win():
    """Flags over the environment over the file over the defaults."""
    environment = {"DYNAMO__REQUESTS__TIMEOUT_S": "2.5", "DYNAMO__LOG__LEVEL": "debug", "HOME": "/somewhere"}
    config = load(None, environment, ["log.level=error"], THREE)
    assert config.requests.timeout_s == 2.5
    assert config.log.level == "error"
    assert config.cluster.name == "shop"


def test_words_become_what_the_setting_is():
    """Numbers and booleans come as text from the environment; a value may hold an equals sign."""
    config = load(None, {"DYNAMO__BUCKETS__CREATE_ON_WRITE": "false", "DYNAMO__BUCKETS__N": "5"}, ["node.data_dir=a=b"])
    assert config.buckets.create_on_write is False
    assert config.buckets.n == 5
    assert config.node.data_dir == "a=b"


def test_a_file_on_disk(tmp_path: Path):
    """Read as UTF-8 text."""
    path = tmp_path / "node.toml"
    path.write_text(THREE.replace("shop", "läden"), encoding="utf-8")
    assert load(path, {}).cluster.name == "läden"


def test_a_file_that_cannot_be_read(tmp_path: Path):
    """Missing, a folder, no text, no TOML: each names the file."""
    binary, broken = tmp_path / "binary.toml", tmp_path / "broken.toml"
    binary.write_bytes(b"\xff\xfe")
    broken.write_text("[node")
    for path, problem in [
        (tmp_path / "none", "cannot read"),
        (tmp_path, "cannot read"),
        (binary, "UTF-8"),
        (broken, "TOML"),
    ]:
        with pytest.raises(ConfigError, match=problem) as refusal:
            load(path, {})
        assert str(path) in refusal.value.detail


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[nod]\nid='a'", "unknown setting nod; did you mean node?"),
        ("[node]\nidd='a'", "unknown setting node.idd; did you mean node.id?"),
        ("[limits]\nvalue_byte_max=3", "did you mean limits.value_bytes_max?"),
        ("[[cluster.members]]\nid='node1'\nzon='a'", "did you mean cluster.members.zone?"),
        (
            "[zzz]",
            "there are audit, buckets, cluster, hints, http, limits, listen, log, membership, node, pbs, repair, ",
        ),
    ],
)
def test_an_unknown_setting_is_refused_with_a_suggestion(text, said):
    """At the top, in a section, in a member."""
    assert said in refused(text)


@pytest.mark.parametrize(
    ("environment", "flags", "said"),
    [
        ({"DYNAMO__NODE": "x"}, (), "'DYNAMO__NODE' does not name a setting"),
        ({"DYNAMO__NODE__ID__X": "x"}, (), "does not name a setting"),
        ({"DYNAMO__": "x"}, (), "does not name a setting"),
        ({}, ("node.id",), "not of the form section.key=value"),
        ({}, ("node=1",), "does not name a setting"),
        ({}, (".=1",), "does not name a setting"),
        ({"DYNAMO__REQUESTS__TIMOUT_S": "1"}, (), "did you mean requests.timeout_s?"),
        ({"DYNAMO__REQUESTS__TIMEOUT_S": "soon"}, (), "`$.requests.timeout_s`"),
        ({"DYNAMO__CLUSTER__MEMBERS": "node1"}, (), "`$.cluster.members`"),
    ],
)
def test_environment_and_flags_are_checked_as_the_file_is(environment, flags, said):
    """A typo never passes silently."""
    assert said in refused(environment=environment, flags=flags)


def test_a_flag_below_what_is_no_section():
    """The file said something else of that name."""
    assert "is not a section" in refused("node=3", flags=("node.id=node1",))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[node]\nid='node9'", "node.id 'node9' is not among cluster.members (node1)"),
        ("[[cluster.members]]\nid='node1'\n[[cluster.members]]\nid='node1'", "two entries"),
        ("[node]\nid='Node'\n[[cluster.members]]\nid='Node'", "must match"),
        ("[[cluster.members]]\nid='node1'\n[[cluster.members]]\nid='node.2'", "node id 'node.2' must match"),
        ("[[cluster.members]]\nid='node1'\nweight=0", "weight of member node1"),
        ("[[cluster.members]]\nid='node1'\nclient_port=65536", "port 65536"),
        ("[cluster]\npartitions=1\n[[cluster.members]]\nid='node1'\n[[cluster.members]]\nid='node2'", "cannot share"),
        *((f"[cluster]\npartitions={count}", "power of two") for count in (0, 3, -8, 131072)),
        ("[storage]\ndurability='maybe'", "storage.durability must be sync or async"),
        *((f"[storage]\nmap_size_bytes={size}", "map_size_bytes") for size in (-5, 1, 2**20 - 1, 2**46 + 1, 2**63 - 1)),
        ("[storage]\non_damage='ignore'", "storage.on_damage must be refuse or set-aside"),
        ("[log]\nformat='xml'", "log.format"),
        ("[log]\nlevel='INFO'", "log.level"),
        ("[buckets]\nmode='strong'", "buckets.mode"),
        ("[buckets]\nmode='linearizable'", "buckets.mode"),
        ("[buckets]\nn=0", "buckets.n must lie between 1 and 16, not 0"),
        ("[buckets]\nn=17", "buckets.n"),
        ("[requests]\nread_all_share=1.01", "read_all_share"),
        ("[requests]\nread_all_share=-0.01", "read_all_share"),
        ("[requests]\nread_all_share=nan", "read_all_share"),
        ("[telemetry]\nstaleness_sample=1.5", "telemetry.staleness_sample must lie between 0 and 1"),
        ("[telemetry]\nacks_remembered=-1", "telemetry.acks_remembered must not be below 0"),
        ("[telemetry]\nchecks_max=-1", "telemetry.checks_max must not be below 0"),
        ("[telemetry]\nacks_age_s=0.0", "telemetry.acks_age_s must be a number above 0"),
        ("[telemetry]\nhistory_period_s=0.05", "telemetry.history_period_s must be 0 or at least 0.1"),
        ("[telemetry]\nhistory_period_s=inf", "telemetry.history_period_s must be 0 or at least 0.1"),
        ("[telemetry]\nacks_age_s=inf", "telemetry.acks_age_s must be a number above 0"),
        ("[requests]\nhedge_share=2.0", "requests.hedge_share must lie between 0 and 1"),
        ("[requests]\ntimeout_s=0.0", "timeout_s"),
        ("[requests]\ntimeout_s=61.0", "timeout_s"),
        ("[requests]\nrepeats_remembered=-1", "repeats_remembered"),
        ("[limits]\ninflight_max=0", "limits.inflight_max must be above 0"),
        ("[requests]\ntimeout_max_s=inf", "requests.timeout_max_s must be a number of seconds, not inf"),
        ("[limits]\nheader_timeout_s=nan", "limits.header_timeout_s must be a number of seconds, not nan"),
        ("[limits]\nbody_timeout_s=nan", "limits.body_timeout_s"),
        ("[limits]\nobject_bytes_max=1048575", "object_bytes_max"),
        ("[membership]\nprobe_period_s=0.0", "membership.probe_period_s must be a number above 0, not 0.0"),
        ("[membership]\nprobe_timeout_s=1.0", "membership.probe_timeout_s must be below"),
        ("[membership]\nindirect_probes=-1", "membership.indirect_probes must not be below 0"),
        ("[hints]\nage_max_s=inf", "hints.age_max_s must be a number above 0, not inf"),
        ("[hints]\nbytes_max=0", "hints.bytes_max must be above 0, not 0"),
        ("[hints]\ndelivery_bytes_per_s=0", "hints.delivery_bytes_per_s must be above 0"),
        ("[repair]\nperiod_s=nan", "repair.period_s"),
        ("[repair]\nkeys_per_s_max=0", "repair.keys_per_s_max must be above 0"),
        ("[tombstones]\nsettle_s=60.0", "tombstones.settle_s must be at least 60.5"),
        ("[audit]\nperiod_s=0.0", "audit.period_s"),
        ("[limits]\npeer_frame_bytes_max=16842751", "peer_frame_bytes_max"),
    ],
)
def test_settings_that_no_node_could_run_with_are_refused(text, said):
    """Each at its limit, with the name of the setting."""
    assert said in refused(text)


@pytest.mark.parametrize(
    "text",
    [
        "[cluster]\npartitions=1",
        "[cluster]\npartitions=65536",
        "[buckets]\nn=16",
        "[requests]\nread_all_share=1.0",
        "[requests]\ntimeout_s=60.0",
        "[limits]\nobject_bytes_max=1048576",
        "[limits]\npeer_frame_bytes_max=16842752",
    ],
)
def test_the_limits_themselves_are_allowed(text):
    """The value next to each refused one."""
    assert isinstance(load(None, {}, text=text), Config)


def test_checking_gives_the_configuration_back():
    """For those who build one in code."""
    config = Config()
    assert checked(config) is config
    with pytest.raises(ConfigError):
        checked(msgspec.structs.replace(config, buckets=BucketsSection(n=99)))


def test_limits_that_are_spelt_twice_agree():
    """The configuration is below the rooms whose limits it checks."""
    assert settings.PARTITIONS_MAX == ring.PARTITIONS_MAX
    assert settings.N_MAX == bucket.N_MAX
    assert BucketsSection().mode in list(bucket.Mode)
