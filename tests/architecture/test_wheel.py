"""What is installed elsewhere is what lies here: pages, scripts and licences are files as much as modules are."""

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.architecture import tree


def test_a_wheel_holds_every_file_of_the_package(tmp_path: Path):
    """The console with its library, the description of the API, the page of the checker: an installed node has them."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=tree.ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.startswith(f"{tree.PACKAGE}/")}
    here = {name for name, _ in tree.texts(tree.ROOT) if name.startswith(f"{tree.PACKAGE}/")}
    assert held == here
    assert "dynamo/api/console/vendor/LICENSE" in held
