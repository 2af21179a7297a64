"""The project on this host: its settings as Compose reads them, and its compose files."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self

from operations.command import PATIENCE_SECONDS, run
from operations.dotenv import Entry, parse
from operations.errors import SettingsError

ROOT = Path(__file__).parents[1]
DEFAULT_FILES = "docker-compose.yml"
_NAMED = re.compile(r"(?<!\$)\$\{([A-Za-z_]\w*)([^{}]*)")
_DEMANDED = re.compile(r":?\?(.*)", re.DOTALL)


@dataclass(frozen=True)
class Project:
    """What the commands work on.

    Attributes:
        root: The directory of the compose files.
        environment: The variables of this process, which come before those of the file.
        env_file: The file of settings.
    """

    root: Path
    environment: Mapping[str, str] = field(repr=False)
    env_file: Path

    @classmethod
    def here(cls, *, env_file: Path | None = None) -> Self:
        """The project that this code is part of."""
        return cls(ROOT, dict(os.environ), env_file or ROOT / ".env")

    @cached_property
    def entries(self) -> list[Entry]:
        """The settings of the file, in its order; none if there is no file.

        Raises:
            SettingsError: Compose could not read it.
        """
        try:
            return parse(self.env_file.read_text(encoding="utf-8"), self.environment)
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{self.env_file} can't be read: {error}") from error

    @cached_property
    def settings(self) -> dict[str, str]:
        """All settings: those of the environment come before those of the file."""
        told = {one.name: one.value for one in self.entries if one.value is not None}
        return {**told, **self.environment}

    def setting(self, name: str, default: str = "") -> str:
        """A setting, or the default if it is missing or empty."""
        return self.settings.get(name) or default

    @property
    def name(self) -> str:
        """Prefix of the names of the platform's containers and volumes."""
        return self.setting("PLATFORM_NAME", "ml-assets")

    @property
    def database(self) -> str:
        """Where MLflow, Dagster and Feast keep their rows: sqlite or postgres."""
        return self.setting("DATABASE", "sqlite")

    @property
    def version(self) -> str:
        """The project's version, as pyproject.toml tells it."""
        text = (self.root / "pyproject.toml").read_text(encoding="utf-8")
        found = re.search(r'^version = "(.*)"$', text, re.MULTILINE)
        return found[1] if found else ""

    @property
    def compose_files(self) -> list[Path]:
        """The compose files, and the files of variables that they name for the chosen database."""
        separator = self.setting("COMPOSE_PATH_SEPARATOR", os.pathsep)
        names = self.setting("COMPOSE_FILE", DEFAULT_FILES).split(separator)
        return [self.root / name for name in names if name]

    @cached_property
    def texts(self) -> dict[Path, str]:
        """What stands in the compose files and in files of variables that they name, less comments.

        Raises:
            SettingsError: One of them can't be read.
        """
        found = {path: _read(path) for path in self.compose_files}
        named = {path for text in found.values() for path in self._files_of_variables(text)}
        return {**found, **{path: _read(path) for path in sorted(named)}}

    def _files_of_variables(self, text: str) -> list[Path]:
        names = re.findall(r"(?:env_file:|-) (\S+\.env)$", text, re.MULTILINE)
        return [self.root / self._filled_in(name) for name in names]

    def _filled_in(self, text: str) -> str:
        return re.sub(
            r"\$\{(\w+)(?::?-([^}]*))?\}", lambda one: self.setting(one[1], one[2] or ""), text
        )

    @property
    def named(self) -> set[str]:
        """All variables that the compose files read."""
        return {one[1] for text in self.texts.values() for one in _NAMED.finditer(text)}

    @property
    def demanded(self) -> dict[str, str]:
        """The variables without which Compose refuses to start, and what it then says."""
        found = (one for text in self.texts.values() for one in _NAMED.finditer(text))
        told = ((one[1], _DEMANDED.match(one[2])) for one in found)
        return {name: message[1] for name, message in told if message}

    @property
    def missing(self) -> dict[str, str]:
        """Those of them that are not set, or empty."""
        return {name: why for name, why in self.demanded.items() if not self.setting(name)}

    def compose(
        self,
        *arguments: str,
        text: str | None = None,
        seconds: float = PATIENCE_SECONDS,
        settings: Mapping[str, str] | None = None,
    ) -> str:
        """What `docker compose` prints.

        Args:
            arguments: What stands after its name; services of all profiles can be named.
            text: What it reads from its input.
            seconds: How long it may take.
            settings: More variables for this command.

        Raises:
            CommandError: It fails.
        """
        return run(
            self.compose_command(*arguments),
            directory=self.root,
            environment={**self.environment, **(settings or {})},
            text=text,
            seconds=seconds,
        )

    def compose_command(self, *arguments: str) -> list[str]:
        """The command line of `docker compose` for this project."""
        return ["docker", "compose", *self._env_file(), *arguments]

    def _env_file(self) -> list[str]:
        if self.env_file == self.root / ".env":
            return []
        return ["--env-file", str(self.env_file)]


def _read(path: Path) -> str:
    """A file without the lines that are comments.

    Raises:
        SettingsError: It can't be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(
            f"{path} can't be read: {error.strerror}; COMPOSE_FILE in .env names the files"
        ) from error
    return re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
