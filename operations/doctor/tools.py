"""Are the engine, Compose and Buildx there, and new enough?"""

import json
import re
from dataclasses import dataclass

from operations.command import docker
from operations.doctor.findings import Finding, ok, problem
from operations.errors import CommandError, EngineAwayError

ENGINE_MINIMUM = (25, 0)
"""The first one with `start_interval` of health checks: with an older one Compose refuses them."""
COMPOSE_MINIMUM = (2, 20, 2)
"""The first one with `start_interval`; `depends_on: required: false` is of 2.20.0."""
INSTALL = "install Docker Engine, Compose and Buildx: https://docs.docker.com/engine/install/"


@dataclass(frozen=True)
class Tools:
    """Versions as the tools tell them; empty for one that is not there.

    Attributes:
        engine: The Docker Engine, or empty if it can't be reached.
        compose: Docker Compose.
        buildx: Buildx.
        why: Why the engine can't be reached.
    """

    engine: str
    compose: str
    buildx: str
    why: str = ""

    @property
    def has_engine(self) -> bool:
        """Whether the engine answers, so that more can be asked of it."""
        return bool(self.engine)


def gather() -> Tools:
    """Asks each of them."""
    engine, why = "", ""
    try:
        engine = json.loads(docker("version", "--format", "{{json .Server}}"))["Version"]
    except EngineAwayError:
        why = "it does not answer"
    except (CommandError, TypeError, KeyError, ValueError) as error:
        why = str(error)
    return Tools(engine, _said("compose", "version", "--short"), _said("buildx", "version"), why)


def judge(tools: Tools) -> list[Finding]:
    """Tells what is missing or too old."""
    return [_engine(tools), _compose(tools), _buildx(tools)]


def _engine(tools: Tools) -> Finding:
    if not tools.engine:
        denied = "permission denied" in tools.why.lower()
        mend = "sudo usermod -aG docker $USER, then log in again" if denied else _start()
        why = next(iter(tools.why.splitlines()), "it does not say why")
        return problem(f"the Docker Engine can't be used: {why}", mend)
    if _number(tools.engine) < ENGINE_MINIMUM:
        return problem(
            f"Docker Engine {tools.engine} does not know start_interval of health checks; "
            f"{_dotted(ENGINE_MINIMUM)} or later does",
            INSTALL,
        )
    return ok(f"Docker Engine {tools.engine} answers")


def _start() -> str:
    return "sudo systemctl start docker (or start Docker Desktop)"


def _compose(tools: Tools) -> Finding:
    if not tools.compose:
        return problem("docker compose is not installed", INSTALL)
    if _number(tools.compose) < COMPOSE_MINIMUM:
        return problem(
            f"Docker Compose {tools.compose} is too old to read docker-compose.yml; "
            f"{_dotted(COMPOSE_MINIMUM)} or later does",
            INSTALL,
        )
    return ok(f"Docker Compose {tools.compose}")


def _buildx(tools: Tools) -> Finding:
    if not tools.buildx:
        return problem("docker buildx, which builds the images, is not installed", INSTALL)
    found = re.search(r"v?\d+\.\d+\S*", tools.buildx)
    return ok(f"Buildx {found[0] if found else 'is there'}")


def _said(*command: str) -> str:
    try:
        return docker(*command).strip()
    except CommandError:
        return ""


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
