"""Platforms that are backed up, destroyed, and restored."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from run_containers.labels import PLATFORM_LABEL
from tests.conftest import ROOT
from tests.docker.engine import engine
from tests.docker.platform import PlatformCase

SECONDS = 600
AT = "/var/lib/ml_assets"
"""Where the image has a directory of uid 1000, whose owner a new volume takes over."""


@dataclass(frozen=True)
class Operated:
    """A platform and the commands of its operator.

    Attributes:
        platform: The platform.
        backups: Where its backups go.
    """

    platform: PlatformCase
    backups: Path

    def start(self, command: str, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        """Starts `python -m operations.COMMAND` with nothing but CPython and the settings."""
        python = shutil.which("python3.11", path=os.environ["PATH"])
        assert python
        passed_on = {name: os.environ[name] for name in ("HOME", "PATH")}
        return subprocess.Popen(
            [python, "-S", "-m", f"operations.{command}", "--env-file", os.devnull, *arguments],
            cwd=ROOT,
            env={**passed_on, **self.platform.settings, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self, command: str, *arguments: str, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs it to its end, whatever that is."""
        process = self.start(command, *arguments, **settings)
        out, error = process.communicate(timeout=SECONDS)
        return subprocess.CompletedProcess(arguments, process.returncode, out, error)

    def back_up(self) -> Path:
        """Makes a backup; returns its directory."""
        before = set(self.backups.glob("*"))
        ended = self.run("backup", "--to", str(self.backups))
        assert ended.returncode == 0, ended.stderr
        (made,) = set(self.backups.glob("*")) - before
        return made

    def restore(self, backup: Path, **settings: str) -> str:
        """Restores a backup that is whole; returns what was printed."""
        ended = self.run("restore", str(backup), **settings)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def destroy(self) -> None:
        """Removes containers, volumes, networks, and the images that were released."""
        # The daemon first, as it would launch runs anew.
        self.platform.compose("stop", "--timeout", "3", "daemon")
        label = f"--filter=label={PLATFORM_LABEL}={self.platform.name}"
        if runs := engine("ps", "--all", "--quiet", label):
            engine("rm", "--force", *runs.split())
        down = ("down", "--volumes", "--remove-orphans", "--timeout", "3")
        self.platform.compose("--profile", "*", *down)
        for place in (self.platform.name, self.platform.images):
            if images := engine("image", "ls", "--quiet", f"{place}/*"):
                engine("image", "rm", "--force", *{*images.split()})

    @property
    def volumes(self) -> set[str]:
        """Names of its volumes that are there."""
        named = engine("volume", "ls", "--format={{.Name}}", f"--filter=name={self.platform.name}-")
        return set(named.split())

    def ask_ledger(self, *command: str) -> Any:
        """What a command that reads the ledger prints as JSON."""
        inside = ("run", "--rm", "--no-deps", "-T", "ledger", "python", "-m", "commands")
        return json.loads(self.platform.compose(*inside, *command, "--json").stdout)

    def write(self, volume: str, path: str, text: str) -> None:
        """Writes a file into a volume, which is made if it is not there."""
        script = f"mkdir -p $(dirname {AT}/{path}); printf '%s' '{text}' > {AT}/{path}"
        mount = f"--volume={self.platform.name}-{volume}:{AT}"
        engine("run", "--rm", mount, "--user=1000:0", *self._python("sh", script))

    def sqlite(self, volume: str, path: str, statement: str) -> list[list[Any]]:
        """Executes a statement in a database in a volume; returns its rows."""
        script = (
            f"import json, sqlite3, sys; c = sqlite3.connect('{AT}/' + sys.argv[1]);"
            "rows = c.execute(sys.argv[2]).fetchall(); c.commit(); print(json.dumps(rows))"
        )
        mount = f"--volume={self.platform.name}-{volume}:{AT}"
        inside = self._python("python3", script)
        rows: list[list[Any]] = json.loads(
            engine("run", "--rm", mount, "--user=1000:0", *inside, path, statement)
        )
        return rows

    def read(self, volume: str, path: str) -> str:
        """A file of a volume, with its owner before it."""
        mount = f"--volume={self.platform.name}-{volume}:{AT}:ro"
        script = f"stat -c '%u:%g %a' {AT}/{path}; cat {AT}/{path}"
        return engine("run", "--rm", mount, "--user=0", *self._python("sh", script))

    def _python(self, program: str, script: str) -> tuple[str, ...]:
        version = self.platform.settings["ML_ASSETS_VERSION"]
        return (f"--entrypoint={program}", f"ml-assets-dagster:{version}", "-c", script)
