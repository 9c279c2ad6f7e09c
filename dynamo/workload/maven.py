"""Servers that come as jars from Maven's repository: fetched once by `mvn`, kept in the user's cache.

What is fetched is a program with all it needs, by its coordinates; `mvn` checks the sums. A folder counts as fetched
when the file `complete` lies in it, so that an interrupted download is made again.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

JAVA = 17
"""The one release that is used: what is measured is declared to run on it."""
FETCH_S = 600.0
_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>dynamo.bench</groupId>
  <artifactId>peer</artifactId>
  <version>1</version>
  <dependencies>
{dependencies}
  </dependencies>
</project>
"""
_DEPENDENCY = """    <dependency>
      <groupId>{group}</groupId>
      <artifactId>{artifact}</artifactId>
      <version>{version}</version>
    </dependency>"""


_LOGBACK = """<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level %date %msg%n</pattern></encoder>
  </appender>
  <root level="{level}"><appender-ref ref="out"/></root>
</configuration>
"""


class Artifact(NamedTuple):
    """Coordinates."""

    group: str
    artifact: str
    version: str

    def __str__(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"


class Unavailable(Exception):
    """The jars cannot be had; the text says why, and what to do."""


def jars(artifact: Artifact, cache: Path | None = None, also: Sequence[Artifact] = ()) -> list[Path]:
    """The program and all it needs, fetched if it is not there yet. Raises Unavailable.

    `also`: what it needs and does not declare, as it expects it of the one who installs it.
    """
    version = java_version()
    if version != JAVA:
        found = f"this is {version}" if version else "there is none in PATH"
        raise Unavailable(f"needs Java {JAVA}, {found}. On Debian: apt-get install openjdk-{JAVA}-jre-headless")
    folder = (cache or cache_folder()) / f"{artifact.artifact}-{artifact.version}"
    if not (folder / "complete").exists():
        _fetch(artifact, folder, also)
    return sorted((folder / "lib").glob("*.jar"))


def cache_folder() -> Path:
    """Where jars are kept: may be removed at any time."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "dynamo-bench"


def java_version() -> int:
    """The release of the `java` in PATH; 0 if there is none, or it does not say."""
    if shutil.which("java") is None:
        return 0
    said = subprocess.run(
        ["java", "-version"],  # noqa: S607 - the one that will run the servers
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    found = re.search(r'version "(?:1\.)?(\d+)', said.stderr)
    return int(found[1]) if found else 0


def pom(*artifacts: Artifact) -> str:
    """A project that depends on these and nothing else."""
    return _POM.format(dependencies="\n".join(_DEPENDENCY.format(**each._asdict()) for each in artifacts))


def logback(level: str) -> str:
    """Settings for the logging library that such servers use: to their output, what is as grave as this or worse."""
    return _LOGBACK.format(level=level)


def _fetch(artifact: Artifact, folder: Path, also: Sequence[Artifact]) -> None:
    if shutil.which("mvn") is None:
        raise Unavailable("needs mvn to fetch its jars. On Debian: apt-get install maven")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "pom.xml").write_text(pom(artifact, *also))
    # Said here, not left to what the user's Maven knows: nothing of its output is read but the jars.
    command = ["mvn", "--batch-mode", "--quiet", "dependency:copy-dependencies"]
    command += [f"-DoutputDirectory={folder / 'lib'}", "-DincludeScope=runtime"]
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            command, cwd=folder, capture_output=True, text=True, timeout=FETCH_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"mvn did not fetch {artifact} within {FETCH_S:.0f} s") from None
    if done.returncode != 0:
        errors = [line for line in done.stdout.splitlines() if "ERROR" in line] or [done.stderr.strip()]
        raise Unavailable(f"mvn could not fetch {artifact}: {errors[0][:300]}")
    (folder / "complete").touch()
