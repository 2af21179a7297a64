"""Tries in a container what its services do: reach others, read and write directories.

Reads JSON from its argument: `reach` lists [host, port], `read` and `write` list paths. Prints, for
each, why it does not work; null if it does. `there` lists paths too, of which it prints whether
they are there.
"""

import json
import os
import socket
import sys
from collections.abc import Iterator

SECONDS = 5
MOST = 5000
"""How many files of a directory are looked at."""


def main(argument: str) -> str:
    """Tries everything that is asked, and tells it as JSON."""
    asked = json.loads(argument)
    return json.dumps(
        {
            "reach": [reach(host, port) for host, port in asked.get("reach", [])],
            "read": [first_denied(path, os.R_OK) for path in asked.get("read", [])],
            "write": [first_denied(path, os.W_OK) for path in asked.get("write", [])],
            "there": [os.path.lexists(path) for path in asked.get("there", [])],
        }
    )


def reach(host: str, port: int) -> str | None:
    """Why a port can't be reached."""
    try:
        socket.create_connection((host, port), timeout=SECONDS).close()
    except socket.gaierror:
        return "its name is not known"
    except TimeoutError:
        return f"no answer within {SECONDS} s"
    except OSError as error:
        return str(error.strerror or error)
    return None


def first_denied(path: str, right: int) -> str | None:
    """The first file or directory below a path, or itself, without a right.

    A file need not be writable: who may write its directory replaces it.
    """
    for number, (one, is_directory) in enumerate(_below(path)):
        if number >= MOST:
            break
        needed = right | os.X_OK if is_directory else os.R_OK
        if not os.access(one, needed):
            return one
    return None


def _below(path: str) -> Iterator[tuple[str, bool]]:
    if not os.path.isdir(path):  # noqa: PTH112
        yield path, False
        return
    yield path, True
    for directory, names, files in os.walk(path):
        yield from ((os.path.join(directory, name), True) for name in names)  # noqa: PTH118
        yield from ((os.path.join(directory, name), False) for name in files)  # noqa: PTH118


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1]))
