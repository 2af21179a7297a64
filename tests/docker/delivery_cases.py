"""Registries of the tests' own."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPMessage

from serving.release.bundle.oci import MANIFEST_TYPE
from serving.release.probe import free_ports
from tests.docker.engine import engine
from tests.docker.image_cases import FAMILY
from tests.docker.platform import until

REGISTRY = "registry:2.8.3"
WRITES = ('"PUT ', '"POST ', '"PATCH ', '"DELETE ')


@dataclass(frozen=True)
class RegistryCase:
    """A registry in a container.

    Attributes:
        container: Its id.
        address: Its host and port, on loopback.
    """

    container: str
    address: str

    def digest(self, name: str, reference: str) -> str | None:
        """What it has in a repository under a tag."""
        response = self._ask(f"/v2/{name}/manifests/{reference}")[0]
        return response.get("Docker-Content-Digest")

    def tags(self, name: str) -> set[str]:
        """The tags in a repository, without those that cosign gives to signatures."""
        found = json.loads(self._ask(f"/v2/{name}/tags/list")[1]).get("tags") or []
        return {tag for tag in found if not tag.startswith("sha256-")}

    def signatures(self, name: str, digest: str, *, kind: str = "sig") -> int:
        """How many signatures (or attestations, ``att``) an image has."""
        tag = f"{digest.replace(':', '-')}.{kind}"
        return len(json.loads(self._ask(f"/v2/{name}/manifests/{tag}")[1]).get("layers", []))

    def forget(self, name: str, digest: str) -> None:
        """Removes what it has under a digest."""
        status = self._request("DELETE", f"/v2/{name}/manifests/{digest}")[0]
        assert status == 202, status

    def forget_signatures(self, name: str, digest: str) -> None:
        """Removes the signatures of an image; it stays."""
        tag = f"{digest.replace(':', '-')}.sig"
        signature = self.digest(name, tag)
        assert signature
        self.forget(name, signature)

    def writes(self) -> int:
        """How many requests have asked it to change anything."""
        shown = subprocess.run(
            ["docker", "logs", self.container], capture_output=True, text=True, check=True
        )
        lines = shown.stdout.splitlines()
        return sum(any(word in line for word in WRITES) for line in lines)

    def is_up(self) -> bool:
        """Whether it answers, be it that it wants a password."""
        try:
            return self._request("GET", "/v2/")[0] in {200, 401}
        except (OSError, HTTPException):
            return False

    def _ask(self, path: str) -> tuple[HTTPMessage, bytes]:
        return self._request("GET", path)[1:]

    def _request(self, method: str, path: str) -> tuple[int, HTTPMessage, bytes]:
        connection = HTTPConnection(self.address, timeout=5)
        connection.request(method, path, headers={"Accept": MANIFEST_TYPE})
        response = connection.getresponse()
        return response.status, response.headers, response.read()


@contextmanager
def running_registry(*options: str) -> Iterator[RegistryCase]:
    """A registry on a free port of loopback, until the block ends."""
    deletes = "--env=REGISTRY_STORAGE_DELETE_ENABLED=true"
    (port,) = free_ports(1)
    published = f"--publish=127.0.0.1:{port}:5000"
    name = f"--name={FAMILY}-registry-{port}"
    container = engine("run", "--detach", name, published, deletes, *options, REGISTRY)
    try:
        case = RegistryCase(container, f"127.0.0.1:{port}")
        await_registry(case)
        yield case
    finally:
        engine("container", "rm", "--force", "--volumes", container)


@contextmanager
def registry_down(case: RegistryCase) -> Iterator[None]:
    """Takes a registry away for the length of a block."""
    engine("container", "kill", case.container)
    try:
        yield
    finally:
        engine("container", "start", case.container)
        await_registry(case)


@contextmanager
def registry_paused(case: RegistryCase) -> Iterator[None]:
    """Lets a registry take connections and answer none, for the length of a block."""
    engine("container", "pause", case.container)
    try:
        yield
    finally:
        engine("container", "unpause", case.container)


def await_registry(case: RegistryCase) -> None:
    """Waits until a registry answers."""
    until(case.is_up, seconds=30, what="the registry")
