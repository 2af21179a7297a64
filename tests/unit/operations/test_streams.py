"""A command whose output is a file: what is told of it, and that it ends with its reader."""

import os
import time
from pathlib import Path

import pytest

from operations.errors import CommandError
from operations.streams import Progress, output_to_file

# As `docker` starts its plug-in.
FAMILY = "sleep 60 & echo $! >{pid}; head -c 2000000 /dev/zero; wait"


def read(command: str, path: Path, progress: Progress = lambda _: None) -> tuple[int, str, str]:
    return output_to_file(
        ["bash", "-c", command],
        path,
        environment=os.environ,
        directory=path.parent,
        progress=progress,
    )


def test_its_size_and_hash_are_told(tmp_path: Path) -> None:
    size, sha256, said = read("printf abc; echo note >&2", tmp_path / "file")
    assert (size, said) == (3, "note\n")
    assert sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_command_that_fails_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no such volume"):
        read("echo no such volume >&2; exit 3", tmp_path / "file")


def test_what_it_has_started_ends_with_it(tmp_path: Path) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read(FAMILY.format(pid=tmp_path / "pid"), tmp_path / "file", interrupt)
    child = Path("/proc", (tmp_path / "pid").read_text().strip(), "stat")
    deadline = time.monotonic() + 5
    while child.exists() and child.read_text().split()[2] != "Z":
        assert time.monotonic() < deadline, "it still runs"
        time.sleep(0.05)
