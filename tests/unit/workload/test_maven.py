import os
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from dynamo.workload import maven
from dynamo.workload.maven import Artifact, Unavailable, jars, logback

ARTIFACT = Artifact("org.example", "store", "1.2")
JAVA = "#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n"
# Says what it was asked, and does what Maven would.
FETCHES = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/asked"
for word in "$@"; do
  case "$word" in -DoutputDirectory=*) mkdir -p "${word#*=}" && touch "${word#*=}/store-1.2.jar";; esac
done
"""
FAILS = '#!/bin/sh\necho "[INFO] looking"\necho "[ERROR] no such host"\nexit 1\n'


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A folder that is PATH before the shell's own tools; what is put there is found first."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return lambda name, text: _program(folder / name, text)


def _program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_jars_are_fetched_once(tools, tmp_path):
    """Maven is asked the first time only, for the artifact and what it needs at run time."""
    tools("java", JAVA.format(version="17.0.15"))
    mvn = tools("mvn", FETCHES)
    for _ in range(2):
        assert [jar.name for jar in jars(ARTIFACT, tmp_path / "cache")] == ["store-1.2.jar"]
    (asked,) = (mvn.parent / "asked").read_text().splitlines()
    assert "dependency:copy-dependencies" in asked
    assert "-DincludeScope=runtime" in asked
    pom = (tmp_path / "cache" / "store-1.2" / "pom.xml").read_text()
    assert "<groupId>org.example</groupId>" in pom
    assert "<version>1.2</version>" in pom


def test_what_a_program_does_not_declare_is_fetched_with_it(tools, tmp_path):
    """Each a dependency of the same project."""
    tools("java", JAVA.format(version="17"))
    tools("mvn", FETCHES)
    jars(ARTIFACT, tmp_path, also=[Artifact("org.other", "metrics", "3")])
    pom = (tmp_path / "store-1.2" / "pom.xml").read_text()
    assert pom.count("<dependency>") == pom.count("</dependency>") == 2
    assert pom.index("<groupId>org.example</groupId>") < pom.index("<groupId>org.other</groupId>")
    assert "<artifactId>metrics</artifactId>\n      <version>3</version>" in pom


def test_what_was_broken_off_is_fetched_again(tools, tmp_path):
    """A folder without the mark is no store."""
    tools("java", JAVA.format(version="17"))
    tools("mvn", FETCHES)
    half = tmp_path / "store-1.2" / "lib"
    half.mkdir(parents=True)
    (half / "half.jar").touch()
    assert [jar.name for jar in jars(ARTIFACT, tmp_path)] == ["store-1.2.jar"]


def test_a_download_that_fails_says_why(tools, tmp_path):
    """The first error, and the next time it is tried again."""
    tools("java", JAVA.format(version="17"))
    tools("mvn", FAILS)
    with pytest.raises(Unavailable, match=r"mvn could not fetch org.example:store:1.2: \[ERROR\] no such host"):
        jars(ARTIFACT, tmp_path)
    tools("mvn", FETCHES)
    assert len(jars(ARTIFACT, tmp_path)) == 1


def test_without_java_or_maven_it_is_said_how_to_get_them(tools, tmp_path, monkeypatch):
    """Another release of Java is none: the store is not declared to run on it."""
    tools("java", JAVA.format(version="21.0.1"))
    with pytest.raises(Unavailable, match=r"needs Java 17, this is 21\. On Debian: apt-get install openjdk-17"):
        jars(ARTIFACT, tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    java = tools("java", "#!/bin/sh\nexit 0\n")
    with pytest.raises(Unavailable, match=r"needs Java 17, there is none"):
        jars(ARTIFACT, tmp_path)
    java.write_text("#!/bin/sh\necho 'openjdk version \"17\"' >&2\n")
    with pytest.raises(Unavailable, match="apt-get install maven"):
        jars(ARTIFACT, tmp_path)
    java.unlink()
    with pytest.raises(Unavailable, match="there is none in PATH"):
        jars(ARTIFACT, tmp_path)


def test_an_old_release_says_its_number_second(tools):
    """1.8 is 8."""
    tools("java", JAVA.format(version="1.8.0_392"))
    assert maven.java_version() == 8


def test_jars_are_kept_in_the_users_cache(tmp_path, monkeypatch):
    """Where the user says caches are, or where they usually are."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert maven.cache_folder() == tmp_path / "dynamo-bench"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", os.fspath(tmp_path))
    assert maven.cache_folder() == tmp_path / ".cache" / "dynamo-bench"


def test_servers_say_what_is_grave():
    """Well-formed, and with the level."""
    root = ET.fromstring(logback("WARN")).find("root")
    assert root is not None
    assert root.get("level") == "WARN"
