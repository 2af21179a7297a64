"""The command line of the Docker Engine, for tests."""

import subprocess

SECONDS = 300


def engine(*arguments: str, text: str | None = None) -> str:
    """What the command line `docker` prints; not the code that is tested.

    Args:
        arguments: What stands after `docker`.
        text: What it reads from its input.
    """
    ended = subprocess.run(
        ["docker", *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout.strip()
