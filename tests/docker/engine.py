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


def remove_names(reference: str) -> None:
    """Takes names away from images; who else has the same image keeps it under theirs."""
    tag_or_digest = '{{if eq .Tag "<none>"}}@{{.Digest}}{{else}}:{{.Tag}}{{end}}'
    listed = ("--digests", f"--format={{{{.Repository}}}}{tag_or_digest}")
    if names := engine("image", "ls", *listed, f"--filter=reference={reference}"):
        engine("image", "rm", *names.split())
