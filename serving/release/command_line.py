"""A tool's command line, run without a shell, with its errors told in people's words."""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from serving.runtime.errors import MLAssetsError


class Reason(NamedTuple):
    """What words of a tool mean to people.

    Attributes:
        said: What it says, as a regular expression.
        meaning: What that means, and what to do.
        kind: The error for it; without one that of the tool.
    """

    said: str
    meaning: str
    kind: type[MLAssetsError] | None = None


@dataclass(frozen=True)
class CommandLine:
    """The command line of a tool.

    Attributes:
        name: The command, which is looked for on the user's PATH.
        error: What is raised if it fails.
        reasons: What its words mean; the first one that fits counts.
        install: What to do where it is not installed.
        look_at: Where to look if it does not end.
        last_lines: How many lines of it an error has.
    """

    name: str
    error: type[MLAssetsError]
    reasons: tuple[Reason, ...]
    install: str
    look_at: str
    last_lines: int

    def run(
        self, *arguments: str, title: str, seconds: float, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Runs the command.

        Args:
            arguments: What stands after its name; nothing secret, as other processes can read it.
            title: How errors call it.
            seconds: How long it may take.
            environment: Variables besides our own; these may be secret.

        Raises:
            MLAssetsError: It is not installed, fails, or does not end in time; of the kind `error`.
        """
        try:
            ended = subprocess.run(  # noqa: S603  no shell, and arguments of ours
                [self.name, *arguments],
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds,
                check=False,
            )
        except OSError as error:
            raise self.error(
                f"the command {self.name} can't be run ({error.strerror}); {self.install}"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise self.error(
                f"{title} has not ended after {seconds:.0f} s; look at {self.look_at}"
            ) from error
        if ended.returncode != 0:
            raise self._failure(title, ended.stderr or ended.stdout)
        return ended

    def _failure(self, title: str, output: str) -> MLAssetsError:
        found = (one for one in self.reasons if re.search(one.said, output, re.IGNORECASE))
        reason = next(found, Reason("", "it has failed"))
        last = "\n".join(output.strip().splitlines()[-self.last_lines :])
        kind = reason.kind or self.error
        return kind(f"{title}: {reason.meaning}. Its last lines:\n{last}")
