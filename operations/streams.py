"""Commands whose output, or input, is a large file."""

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from operations.command import failure
from operations.errors import CommandError, OperationsError

CHUNK = 1 << 20
BETWEEN_NEWS_SECONDS = 0.2

Progress = Callable[[int], None]
"""Is told how many bytes there are so far."""


def output_to_file(
    command: Sequence[str],
    path: Path,
    *,
    environment: Mapping[str, str],
    directory: Path,
    progress: Progress,
) -> tuple[int, str, str]:
    """Writes what a command prints into a file, and to the disk.

    Returns:
        Size and sha256 of the file, and what the command has printed as errors.

    Raises:
        CommandError: The command fails.
        OperationsError: No space, or no permission.
    """
    digest, size = hashlib.sha256(), 0
    with _started(command, environment, directory, stdin=subprocess.DEVNULL) as (process, errors):
        try:
            with path.open("xb") as file:
                for chunk in _chunks(process.stdout, progress):
                    file.write(chunk)
                    digest.update(chunk)
                    size += len(chunk)
                os.fsync(file.fileno())
        except OSError as error:
            raise OperationsError(f"{path} can't be written: {error.strerror}") from error
        said = _ended(command, process, errors)
    return size, digest.hexdigest(), said


def file_to_input(
    command: Sequence[str],
    path: Path,
    *,
    environment: Mapping[str, str],
    directory: Path,
) -> None:
    """Gives a file to a command.

    Raises:
        CommandError: The command fails.
    """
    with path.open("rb") as file, _started(command, environment, directory, stdin=file) as started:
        process, errors = started
        process.communicate()
        _ended(command, process, errors)


@contextmanager
def _started(
    command: Sequence[str],
    environment: Mapping[str, str],
    directory: Path,
    *,
    stdin: IO[bytes] | int,
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """A command that runs; it ends with the block.

    Ctrl-C is for us alone, who then end it and what it has started.
    """
    with TemporaryFile() as errors:
        process = _process(command, environment, directory, stdin=stdin, errors=errors)
        try:
            yield process, errors
        finally:
            _end(process)


def _process(
    command: Sequence[str],
    environment: Mapping[str, str],
    directory: Path,
    *,
    stdin: IO[bytes] | int,
    errors: IO[bytes],
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603  no shell
            list(command),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            cwd=directory,
            start_new_session=True,
        )
    except OSError as error:
        raise CommandError(f"{command[0]} can't be run: {error.strerror}") from error


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a command, and what it has started, if it still runs."""
    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):  # it has just ended
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout:
        process.stdout.close()


def _chunks(source: IO[bytes] | None, progress: Progress) -> Iterator[bytes]:
    total, told = 0, 0.0
    while source and (chunk := source.read(CHUNK)):
        total += len(chunk)
        if time.monotonic() - told > BETWEEN_NEWS_SECONDS:
            progress(total)
            told = time.monotonic()
        yield chunk


def _ended(command: Sequence[str], process: subprocess.Popen[bytes], errors: IO[bytes]) -> str:
    status = process.wait()
    errors.seek(0)
    said = errors.read().decode(errors="replace")
    if status != 0:
        raise failure(command, said)
    return said
