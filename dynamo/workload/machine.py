"""What a figure depends on besides the code: processor, kernel, libraries, and what kind of disk the data lies on."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
from pathlib import Path


def facts(data: Path) -> dict[str, str]:
    """Names and values, for the report. `data` is where the stores put their files."""
    loop = "uvloop" if importlib.util.find_spec("uvloop") else "asyncio"
    return {
        "Processor": f"{os.cpu_count()} x {processor()}",
        "Kernel": platform.release(),
        "Python": platform.python_version(),
        "Event loop": f"{loop} {importlib.metadata.version(loop)}" if loop == "uvloop" else loop,
        "aiohttp": importlib.metadata.version("aiohttp"),
        "Data on": filesystem(data),
    }


def processor() -> str:
    """The processor's name as the kernel gives it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def filesystem(path: Path) -> str:
    """Type of the file system that holds a path. On tmpfs a sync costs nothing, and a write's figure means nothing."""
    best = ("", "unknown")
    whole = str(path.resolve())
    for line in Path("/proc/mounts").read_text().splitlines():
        mount, kind = line.split()[1:3]
        inside = whole == mount or whole.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best[0]):
            best = (mount, kind)
    return best[1]


def memory() -> dict[str, str]:
    """How much memory there is, and how much of it is not taken by processes: what files can be kept in."""
    sizes = {}
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, value = line.partition(":")
        sizes[name] = int(value.split()[0]) / 2**20
    return {"Memory": f"{sizes['MemTotal']:.1f} GiB, {sizes['MemAvailable']:.1f} GiB of it available at the begin"}
