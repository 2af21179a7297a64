"""`make help` tells every command."""

import re
import subprocess

from tests.conftest import ROOT


def test_every_command_has_a_line_of_help_in_a_group() -> None:
    text = (ROOT / "Makefile").read_text()
    commands = {
        name
        for names in re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
        for name in names.split()
    }
    printed = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    told = re.findall(r"^  make ([a-z-]+) +[A-Z]", printed, re.MULTILINE)
    assert commands <= set(told)
    assert len(told) == len(set(told))
