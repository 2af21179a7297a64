"""Who may import whom: the floors of the house, as `pyproject.toml` lists them."""

import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def test_no_room_imports_a_room_above_it() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
