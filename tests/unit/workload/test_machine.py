import platform
from pathlib import Path

from dynamo.workload import machine


def test_the_facts_name_what_figures_depend_on(tmp_path):
    """No value is empty, and none of them is a path or a host's name."""
    found = machine.facts(tmp_path)
    assert found["Python"] == platform.python_version()
    assert set(found) == {"Processor", "Kernel", "Python", "Event loop", "aiohttp", "Data on"}
    assert all(found.values())
    assert not any("/" in value or platform.node() in value.split() for value in found.values())


def test_the_file_system_is_the_nearest_mount():
    """A mount inside another hides it; a name that only begins alike does not."""
    assert machine.filesystem(Path("/proc/self")) == "proc"
    assert machine.filesystem(Path("/process-that-is-none")) == machine.filesystem(Path("/"))
    assert machine.filesystem(Path("/")) not in ("", "proc")


def test_the_processor_has_a_name():
    """Whatever the kernel calls it."""
    assert machine.processor().strip()


def test_memory_is_told_with_what_is_left_of_it():
    """There is some, and no more left than there is."""
    (words,) = machine.memory().values()
    whole, left = (float(part.split()[0]) for part in words.split(", "))
    assert 0 < left <= whole
