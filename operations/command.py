"""The command line `docker`, run without a shell."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from operations.errors import CommandError, EngineAwayError

PATIENCE_SECONDS = 120
_AWAY = re.compile(
    "cannot connect to the docker daemon|failed to connect to the docker api"
    "|error during connect|connection refused.*docker",
    re.IGNORECASE,
)


def run(
    command: Sequence[str],
    *,
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
    text: str | None = None,
    seconds: float = PATIENCE_SECONDS,
    with_errors: bool = False,
) -> str:
    """What a command prints.

    Args:
        command: The command and its arguments; nothing secret, as other processes can read it.
        directory: Where it is run.
        environment: All of its variables; ours if there are none.
        text: What it reads from its input.
        seconds: How long it may take.
        with_errors: Whether what it prints as errors is told too, in its place.

    Raises:
        EngineAwayError: The engine can't be reached.
        CommandError: It is not installed, fails, or does not end in time.
    """
    errors = subprocess.STDOUT if with_errors else subprocess.PIPE
    try:
        ended = _ended(command, directory, environment, text or "", seconds, errors)
    except OSError as error:
        raise CommandError(f"{command[0]} can't be run: {error.strerror}; install it") from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"{title(command)} has not ended after {seconds:.0f} s") from error
    if ended.returncode != 0:
        raise failure(command, ended.stderr or ended.stdout)
    return ended.stdout


def _ended(
    command: Sequence[str],
    directory: Path | None,
    environment: Mapping[str, str] | None,
    text: str,
    seconds: float,
    errors: int,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  no shell
        list(command),
        cwd=directory,
        env=environment,
        input=text,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        errors="replace",
        timeout=seconds,
        check=False,
    )


def docker(*arguments: str, text: str | None = None, seconds: float = PATIENCE_SECONDS) -> str:
    """What `docker` prints.

    Raises:
        CommandError: It fails.
    """
    return run(["docker", *arguments], text=text, seconds=seconds)


def failure(command: Sequence[str], output: str) -> CommandError:
    """The error for a command that has failed, with what it has said."""
    if _AWAY.search(output):
        return EngineAwayError(
            "the Docker Engine can't be reached; start it, and let this user use it"
        )
    last = "\n".join(output.strip().splitlines()[-5:])
    return CommandError(f"{title(command)} has failed: {last}")


def title(command: Sequence[str]) -> str:
    """How errors call a command: its first words, without options and what they are given."""
    words = [word for word in command if re.fullmatch("[a-z][a-z_-]*", word)]
    return " ".join(words[:3])
