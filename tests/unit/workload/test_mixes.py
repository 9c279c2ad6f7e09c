import pytest

from dynamo.workload.mixes import PRESETS, Mix, checked, from_toml, needs_linearizable, shares

OWN = """
[operations]
get = 9
put = 1
[keys]
chooser = "hotspot"
hot_data = 0.01
[values]
sizes = "lognormal:1000,1.5"
"""


def test_the_six_of_ycsb():
    """Shares and key choosers of the paper's table 2."""
    assert {name: shares(PRESETS[name].operations) for name in "abcdef"} == {
        "a": {"get": 0.5, "put": 0.5},
        "b": {"get": 0.95, "put": 0.05},
        "c": {"get": 1.0},
        "d": {"get": 0.95, "insert": 0.05},
        "e": {"scan": 0.95, "insert": 0.05},
        "f": {"get": 0.5, "rmw": 0.5},
    }
    assert {name: PRESETS[name].keys.chooser for name in "abcdef"} == dict.fromkeys("abcef", "scrambled") | {
        "d": "latest"
    }


def test_a_mix_of_ones_own():
    """Everything it says is taken, what it leaves out is as ever."""
    mix = from_toml(OWN)
    assert shares(mix.operations) == {"get": 0.9, "put": 0.1}
    assert (mix.keys.chooser, mix.keys.hot_data, mix.keys.hot_operations) == ("hotspot", 0.01, 0.8)
    assert mix.values.sizes == "lognormal:1000,1.5"
    assert not needs_linearizable(mix)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[operations]\nread = 1", "'read' is no operation"),
        ("[operations]\nget = -1", "not negative"),
        ("[operations]\nget = 0", "more than nothing"),
        ("[operations]\nget = 1\n[keys]\nchooser = 'zipf'", "no key chooser"),
        ("[operations]\nget = 1\n[keyz]\n", "keyz"),
        ("mode = 'lww'\n[operations]\ncas = 1", "linearizable bucket"),
        ("get = ", "Invalid value"),
    ],
)
def test_a_wrong_mix_is_refused(text, said):
    """With what is wrong."""
    with pytest.raises(ValueError, match=said):
        from_toml(text)


def test_every_preset_is_right():
    """And those with conditions need a linearizable bucket."""
    assert all(checked(mix) is mix for mix in PRESETS.values())
    assert [name for name, mix in PRESETS.items() if needs_linearizable(mix)] == ["linearizable", "cas"]
    assert needs_linearizable(Mix(operations={"add": 1}))
