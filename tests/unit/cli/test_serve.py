import signal
import subprocess
import sys

import pytest

from dynamo.cli import serve as module


@pytest.fixture
def served_config(monkeypatch):
    """The configuration that a node would be run with."""
    seen = []

    def run(config) -> int:
        seen.append(config)
        return 7

    import dynamo.server

    monkeypatch.setattr(dynamo.server, "run", run)
    return seen


def test_a_node_is_run_with_file_variables_and_flags(cli, served_config, tmp_path, monkeypatch):
    """Each over those before; its exit code is the command's."""
    file = tmp_path / "n.toml"
    file.write_text('[log]\nlevel = "debug"\nformat = "text"\n[limits]\ninflight_max = 1\n')
    monkeypatch.setenv("DYNAMO__LOG__FORMAT", "json")
    assert cli("serve", "--config", file, "--set", "limits.inflight_max=3").code == 7
    (config,) = served_config
    assert (config.log.level, config.log.format, config.limits.inflight_max) == ("debug", "json", 3)


@pytest.mark.parametrize(("words", "code"), [(("--set", "log.level=loud"), 1), (("--config", "none.toml"), 2)])
def test_a_wrong_configuration_starts_nothing(cli, served_config, words, code):
    """One line says why."""
    result = cli("serve", *words)
    assert result.code == code
    assert result.err.startswith("error: ")
    assert served_config == []


def test_a_node_ends_with_its_parent():
    """However the parent ends: here by SIGKILL."""
    child = (
        "import os, signal; from dynamo.cli.serve import stop_with; stop_with(os.getppid()); "
        "print(os.getpid(), flush=True); signal.pause()"
    )
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.wait()
    # Its end closes the pipe: this returns when it is gone.
    assert process.stdout.read() == ""
    process.stdout.close()
    assert pid != process.pid


def test_a_parent_that_ended_before_is_noticed(monkeypatch):
    """The kernel was asked too late then."""
    monkeypatch.setattr(module.os, "getppid", lambda: 1)
    program = "from dynamo.cli.serve import stop_with; stop_with(1)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 1
