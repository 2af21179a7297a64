"""Which ports of this machine lead to a platform's services."""

import re
import socket
from collections.abc import Iterable

from benchmarks.own_platform import OwnPlatform
from tests.docker.engine import engine
from tests.docker.image_cases import BASE


def published_ports(platform: OwnPlatform) -> dict[str, set[tuple[str, int]]]:
    """The addresses and ports of this machine behind which services are, by their names."""
    names = engine("ps", "--filter", f"name={platform.name}", "--format", "{{.Names}} {{.Ports}}")
    found = {}
    for line in names.splitlines():
        if ports := re.findall(r"([\d.]+):(\d+)->", line):
            service = line.split()[0].removeprefix(f"{platform.name}-").removesuffix("-1")
            found[service] = {(address, int(port)) for address, port in ports}
    return found


def answers(host: str, port: int) -> bool:
    """Whether anybody listens there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def answering_elsewhere(ports: Iterable[int]) -> list[tuple[str, int]]:
    """The ports that answer on another address of this machine than the loopback's."""
    others = engine("run", "--rm", "--network=host", BASE, "hostname", "-I").split()
    return [(one, port) for one in others for port in ports if answers(one, port)]
