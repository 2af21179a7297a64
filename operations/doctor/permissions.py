"""Can runs read and write what they must, and nobody else the keys?"""

import json
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from operations.command import docker
from operations.compose_model import ComposeModel
from operations.doctor.findings import Finding, in_env, ok, problem, warning
from operations.errors import CommandError
from operations.half_restored import MARKER, MEND, TEXT
from operations.helper import Helper, HostPath, existing_volumes
from operations.project import Project

WRITTEN_VOLUMES = ("logs", "mlflow", "releases", "state")
READ = (
    "DATA_DIR",
    "REGISTRY_AUTH_DIR",
    "SIGNING_DIR",
    "SCAN_DIR",
    "CUSTOMERS_FILE",
    "API_KEYS_FILE",
)
WRITTEN = ("DELIVERY_DIR",)
SECRET = ("REGISTRY_AUTH_DIR", "SIGNING_DIR", "API_KEYS_FILE")
SOCKET = "/var/run/docker.sock"
PROBED = "/probe"
USER = "1000:0"
"""Who the platform's services and runs are; docker/Dockerfile."""
GIVE_BACK = "chown -R 1000:0 /mnt && chmod -R u+rwX,g+rwX /mnt"


@dataclass(frozen=True)
class Permissions:
    """Who can do what.

    Attributes:
        socket: The engine's socket.
        socket_group: Its group; None where that is another machine's.
        group: DOCKER_GID.
        absent: Directories and files of the settings that are not there, by variable.
        denied: The first path that runs can't read or write, by volume or variable.
        open: Files with secrets that everybody can read.
        volumes: Names of the volumes that were tried, by what docker-compose.yml calls them.
        paths: Directories and files of the settings, by variable.
        image: The image that it was tried with.
        fault: Why it could not be tried what runs may do.
        is_half_restored: Whether a restore into the volumes has not ended.
    """

    socket: str
    socket_group: int | None
    group: str
    absent: Mapping[str, str]
    denied: Mapping[str, str]
    open: Sequence[str]
    volumes: Mapping[str, str]
    paths: Mapping[str, str]
    image: str = ""
    fault: str = ""
    is_half_restored: bool = False


@dataclass(frozen=True)
class Tried:
    """What a helper, which is what runs are, has found.

    Attributes:
        volumes: Names of the volumes that runs write, by their keys.
        denied: The first path that runs can't read or write, by volume or variable.
        is_half_restored: Whether a restore into the volumes has not ended.
        fault: Why nothing could be tried.
    """

    volumes: Mapping[str, str] = field(default_factory=dict)
    denied: Mapping[str, str] = field(default_factory=dict)
    is_half_restored: bool = False
    fault: str = ""


def gather(project: Project, model: ComposeModel, *, image: str) -> Permissions:
    """Looks at the host's files, and tries them from a container.

    Args:
        project: The project.
        model: Its compose model.
        image: One of our images; empty if there is none.
    """
    paths = {name: value for name in (*READ, *WRITTEN) if (value := project.setting(name))}
    absent = {name: path for name, path in paths.items() if not Path(path).exists()}
    socket = project.setting("DOCKER_SOCKET", SOCKET)
    group = project.setting("DOCKER_GID")
    there = {name: path for name, path in paths.items() if name not in absent}
    tried = _tried(model, there, image=image, group=group or "0")
    return Permissions(
        socket=socket,
        socket_group=group_of_socket(Path(socket)),
        group=group,
        absent=absent,
        denied=tried.denied,
        open=[path for name in SECRET if name in there for path in open_files(Path(there[name]))],
        volumes=tried.volumes,
        paths=paths,
        image=image,
        fault=tried.fault,
        is_half_restored=tried.is_half_restored,
    )


def _tried(model: ComposeModel, paths: Mapping[str, str], *, image: str, group: str) -> Tried:
    volumes: Mapping[str, str] = {}
    try:
        written = {key: name for key, name in model.volumes.items() if key in WRITTEN_VOLUMES}
        volumes = existing_volumes(written)
        if not image:
            return Tried(volumes, fault="no image of the platform is here yet")
        return _asked(paths, volumes, Helper(image, model.name, user=USER, groups=[group]))
    except CommandError as error:
        return Tried(volumes, fault=str(error))


def group_of_socket(path: Path) -> int | None:
    """The group of the engine's socket; None where that is not a socket of this machine."""
    try:
        told = path.stat()
    except OSError:
        return None
    return told.st_gid if stat.S_ISSOCK(told.st_mode) else None


def open_files(directory: Path) -> list[str]:
    """Files below a directory that everybody can read, if everybody can get at them; or itself."""
    try:
        if directory.is_file():
            return [str(directory)] if _is_open(directory) else []
        if not directory.stat().st_mode & stat.S_IXOTH:
            return []
        return [
            str(path)
            for path in sorted(directory.rglob("*"))
            if path.is_file() and path.suffix != ".pub" and _is_open(path)
        ]
    except OSError:
        return []


def _is_open(path: Path) -> bool:
    # An empty config.json, as docker/configure writes it, holds no secret.
    return bool(path.stat().st_mode & stat.S_IROTH) and path.stat().st_size > 3


def _asked(paths: Mapping[str, str], volumes: Mapping[str, str], helper: Helper) -> Tried:
    """What a helper can read and write, and whether it sees a restore that has not ended."""
    read = [name for name in paths if name in READ]
    write = [*volumes, *(name for name in paths if name in WRITTEN)]
    asked = {
        kind: [f"{PROBED}/{name}" for name in names]
        for kind, names in (("read", read), ("write", write))
    }
    asked["there"] = [f"{PROBED}/{key}/{MARKER}" for key in volumes]
    with helper.command(
        "probe",
        json.dumps(asked),
        volumes={name: f"{PROBED}/{key}" for key, name in volumes.items()},
        paths=[
            HostPath(path, f"{PROBED}/{name}", is_written=name in WRITTEN)
            for name, path in paths.items()
        ],
    ) as command:
        told = json.loads(docker(*command[1:]))
    answers = dict(zip([*read, *write], [*told["read"], *told["write"]], strict=True))
    denied = {name: why.removeprefix(f"{PROBED}/{name}") for name, why in answers.items() if why}
    return Tried(volumes, denied, is_half_restored=any(told["there"]))


def judge(permissions: Permissions) -> list[Finding]:
    """Tells what runs may not do, and what others may and should not.

    Rights in volumes that a restore has half filled are not yet those that they will have.
    """
    denied = permissions.denied
    if permissions.is_half_restored:
        denied = {name: one for name, one in denied.items() if name not in permissions.volumes}
    found = [
        *([problem(TEXT, MEND)] if permissions.is_half_restored else []),
        *_socket(permissions),
        *(_absent(name, path) for name, path in permissions.absent.items()),
        *(_denial(name, below, permissions) for name, below in denied.items()),
        *(_secret(path) for path in permissions.open),
    ]
    if permissions.fault:
        found.append(warning(f"could not try what runs may do: {permissions.fault}", "make up"))
    return found or [ok("runs can read and write what they must, and keys are kept from others")]


def _socket(permissions: Permissions) -> list[Finding]:
    group = permissions.socket_group
    if group is None or not permissions.group or permissions.group == str(group):
        return []
    text = (
        f"DOCKER_GID is {permissions.group}, and {permissions.socket} belongs to the group {group}"
    )
    return [problem(f"{text}, so that runs can't be started", in_env("DOCKER_GID", str(group)))]


def _absent(name: str, path: str) -> Finding:
    make = f"touch {path}" if name.endswith("_FILE") else f"mkdir -p {path}"
    return problem(f"{name} is {path}, which is not there", f"{make}, or {in_env(name, '...')}")


def _denial(name: str, below: str, permissions: Permissions) -> Finding:
    if name in permissions.volumes:
        volume = permissions.volumes[name]
        return problem(
            f"uid 1000 with group 0 can't write {below or 'anything'} in the volume {volume}",
            f"docker run --rm --user 0 --entrypoint sh --volume {volume}:/mnt "
            f"{permissions.image} -c '{GIVE_BACK}'",
        )
    path = f"{permissions.paths[name]}{below}"
    verb = "write" if name in WRITTEN else "read"
    return problem(
        f"{name}: runs (uid 1000, group 0) can't {verb} {path}", _give(name, path, permissions)
    )


def _give(name: str, path: str, permissions: Permissions) -> str:
    group = permissions.group or "0"
    rights = {
        "DELIVERY_DIR": "g+rwX",
        "DATA_DIR": "a+rX",
        "SCAN_DIR": "a+rX",
        "CUSTOMERS_FILE": "a+r",
    }
    if name in SECRET or name in WRITTEN:
        return f"chgrp -R {group} {path} && chmod -R {rights.get(name, 'g+rX')} {path}"
    return f"chmod -R {rights[name]} {path}"


def _secret(path: str) -> Finding:
    return problem(f"everybody on this machine can read {path}", f"chmod o-rwx {path}")
