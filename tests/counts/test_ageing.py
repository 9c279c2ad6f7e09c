import re
import subprocess
import sys


def test_the_command_shows_what_a_change_takes_as_time_goes_by():
    """Only that it does: how long something takes is no test's business."""
    command = [sys.executable, "-m", "tests.counts.ageing", "--changes", "2400", "--keys", "900", "--every", "1200"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    assert re.findall(r"after +([\d,]+) changes +\d+\.\d us", said) == ["1,200", "2,400"]
