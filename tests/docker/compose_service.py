"""A service of docker-compose.yml as `docker run` takes it, for tests that start it by itself."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT


@cache
def _service(name: str) -> dict[str, Any]:
    content = (ROOT / "docker-compose.yml").read_text()
    services: dict[str, dict[str, Any]] = yaml.safe_load(content)["services"]
    return services[name]


def image(service: str) -> str:
    """Its image, if that is not one of ours."""
    return str(_service(service)["image"])


def options(service: str, *, home: Path | None = None) -> list[str]:
    """Its user, rights, file systems and entrypoint; a volume of its own gets no name.

    Args:
        service: Its name.
        home: What is mounted instead of its directory under docker/.
    """
    told = _service(service)
    flags = {
        "user": [told["user"]],
        "cap-drop": told["cap_drop"],
        "security-opt": told["security_opt"],
        "tmpfs": told.get("tmpfs", []),
        "entrypoint": told.get("entrypoint", [])[:1],
        "volume": [_mounted(one, service, home) for one in told["volumes"]],
    }
    read_only = ["--read-only"] if told["read_only"] else []
    return [*read_only, *(f"--{flag}={text}" for flag, texts in flags.items() for text in texts)]


def command(service: str) -> Sequence[str]:
    """What stands after the image."""
    told = _service(service)
    words = [*told.get("entrypoint", [])[1:], *told.get("command", [])]
    return [word.replace("$$", "$") for word in words]


def _mounted(volume: str, service: str, home: Path | None) -> str:
    source, _, place = volume.partition(":")
    if source == f"./docker/{service}" and home:
        return f"{home}:{place}"
    if source.startswith("./"):
        return f"{ROOT / source}:{place}"
    return volume if source.startswith("/") else place
