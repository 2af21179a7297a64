"""Do the services reach each other by name, and do the databases let them in?"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from operations.backup.contents import POSTGRES
from operations.command import docker, run
from operations.compose_model import ComposeModel
from operations.containers import Container
from operations.doctor.findings import Finding, ok, problem, warning
from operations.errors import CommandError
from operations.helper import Helper, script
from operations.project import Project

PORTS = {
    "postgres": 5432,
    "mlflow": 5000,
    "code-training": 4000,
    "code-release": 4000,
    "webserver": 3070,
    "feast": 6566,
}
"""Where services listen for each other."""
ASKERS = ("daemon", "webserver", "code-training", "code-release", "mlflow")
"""Services from whose place others are looked for; the first that runs is it."""
REGISTRY = ("registry.local", 5000)
LOGINS = ("dagster", "mlflow", "feast")


@dataclass(frozen=True)
class Network:
    """What was tried within the platform's networks.

    Attributes:
        asker: The service from whose place the others were tried; empty if none runs.
        unreachable: Why a service can't be reached, by service; empty words if it can.
        refused: What the database said to users whom it did not let in.
        logins: How many users were tried.
        fault: Why nothing could be tried.
    """

    asker: str
    unreachable: Mapping[str, str]
    refused: Mapping[str, str] = field(default_factory=dict)
    logins: int = 0
    fault: str = ""


def gather(
    project: Project, model: ComposeModel, containers: Sequence[Container], *, image: str
) -> Network:
    """Tries names, ports and logins of all services that run.

    Args:
        project: The project.
        model: Its compose model.
        containers: The engine's containers.
        image: One of our images, for the network of the registry; empty if there is none.
    """
    running = {
        one.service: one.name for one in containers if one.project == model.name and one.is_running
    }
    asker = next((name for name in ASKERS if name in running), "")
    if not asker:
        return Network("", {})
    targets = _targets(project, running.keys() - {asker})
    try:
        found = _reached(running[asker], targets)
        if "registry" in running and image:
            network = model.networks["registry"]
            found["registry"] = _registry(Helper(image, model.name, network=network))
    except CommandError as error:
        return Network(asker, {}, fault=str(error))
    refused = _refused(project, running.get("postgres", ""))
    return Network(asker, found, {name: why for name, why in refused.items() if why}, len(refused))


def _targets(project: Project, running: set[str]) -> dict[str, tuple[str, int]]:
    found = {name: (name, port) for name, port in PORTS.items() if name in running}
    host = project.setting("POSTGRES_HOST")
    if host and project.database == POSTGRES:
        found[host] = (host, int(project.setting("POSTGRES_HOST_PORT", "5432")))
    return found


def _reached(container: str, targets: Mapping[str, tuple[str, int]]) -> dict[str, str]:
    asked = json.dumps({"reach": list(targets.values())})
    told = json.loads(docker("exec", container, "python3", "-c", script("probe"), asked))["reach"]
    return {name: why or "" for name, why in zip(targets, told, strict=True)}


def _registry(helper: Helper) -> str:
    asked = json.dumps({"reach": [REGISTRY]})
    with helper.command("probe", asked) as command:
        return json.loads(docker(*command[1:]))["reach"][0] or ""


def _refused(project: Project, container: str) -> dict[str, str]:
    """What PostgreSQL says to each user with its password; empty if it lets the user in."""
    if not container or project.database != POSTGRES:
        return {}
    passwords = {name: project.setting(f"{name.upper()}_DB_PASSWORD") for name in LOGINS}
    return {name: _login(container, name, one, project) for name, one in passwords.items() if one}


def _login(container: str, user: str, password: str, project: Project) -> str:
    # Over the network, as the server trusts whoever comes over its loopback. The password is in the
    # environment, since others can read a command line.
    psql = ["psql", "-h", "postgres", "-U", user, "-d", user, "-qtc", "select 1"]
    try:
        run(
            ["docker", "exec", "--env", "PGPASSWORD", container, *psql],
            environment={**project.environment, "PGPASSWORD": password},
        )
    except CommandError as error:
        return str(error).splitlines()[-1]
    return ""


def judge(network: Network) -> list[Finding]:
    """Tells who can't be reached, and who is not let in."""
    if network.fault:
        return [warning(f"nothing could be tried within the network: {network.fault}", "make up")]
    if not network.asker:
        return [ok("no service runs that could look for others")]
    found = [
        *(_unreachable(name, why, network) for name, why in network.unreachable.items() if why),
        *(_locked_out(name, why) for name, why in network.refused.items()),
    ]
    names = ", ".join(network.unreachable)
    logins = "; the database lets its users in" if network.logins else ""
    return found or [
        ok(f"{network.asker} reaches {names or 'nobody else, as nothing else runs'}{logins}")
    ]


def _unreachable(name: str, why: str, network: Network) -> Finding:
    return problem(
        f"{name} can't be reached from {network.asker} by its name: {why}",
        f"docker compose restart {name}; if that does not help: make down, make up",
    )


def _locked_out(name: str, why: str) -> Finding:
    return problem(
        f"PostgreSQL does not let {name} in: {why}",
        f"{name.upper()}_DB_PASSWORD in .env was changed after the database was made: bring the "
        f"old one back, or docker compose exec postgres psql -U postgres -c '\\password {name}'",
    )
