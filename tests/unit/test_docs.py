"""The documentation names what there is: files, headings, make targets, services, addresses."""

import re
import shlex
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml

from ml_assets.core.spec import PipelineSpec
from operations.doctor.tools import COMPOSE_MINIMUM, ENGINE_MINIMUM
from tests.conftest import ROOT
from tests.documents import PAGES, anchors, blocks, commands, inline, links, text_of

EXAMPLES = {"ml_assets/defs/strength/defs.yaml"}
"""Files that a reader makes."""
TARGET = re.compile(r"\bmake ([a-z][a-z-]*)")
PATH = re.compile(r"(?:docker|docs|tests|requirements|ml_assets|serving|\.github)/[\w./-]*\w")
WITH_SERVICES = {"up", "run", "exec", "logs", "restart", "pull"}
OPTIONS_WITH_VALUES = {"--profile", "-f", "--tail", "-u", "--user"}
SERVICE_PORTS = {"8000", "8001", "8080", "8443"}
OF_OTHERS = {"/health"}
"""Addresses of MLflow and nginx that pages tell to ask."""


@pytest.fixture(scope="module")
def targets() -> set[str]:
    text = (ROOT / "Makefile").read_text()
    found = re.findall(r"^([a-z][a-z %-]*):", text, re.MULTILINE)
    return {target for names in found for target in names.split()}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return found


def _typed(page: str) -> list[str]:
    return [*(shown.command for shown in commands(page)), *inline(page)]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        if anchor:
            known = anchors(str(target.resolve().relative_to(ROOT)))
            assert anchor in known, link


@pytest.mark.parametrize("page", PAGES)
def test_make_knows_its_targets(page: str, targets: set[str]) -> None:
    for command in _typed(page):
        for target in TARGET.findall(command):
            is_of_pattern = target.startswith("docker-build-")
            assert target in targets or is_of_pattern, command


@pytest.mark.parametrize("page", PAGES)
def test_files_that_commands_and_sentences_name_exist(page: str) -> None:
    for command in _typed(page):
        for path in PATH.findall(command):
            if "<" in command or "NAME" in path or "#" in path:
                continue
            places = (ROOT / path, (ROOT / page).parent / path)
            is_here = any(place.exists() for place in places)
            assert is_here or path in EXAMPLES, command


def _profiles(services: dict[str, Any]) -> set[str]:
    return {profile for one in services.values() for profile in one.get("profiles", [])}


def _compose(page: str) -> Iterator[list[str]]:
    for command in _typed(page):
        found = re.search(r"docker compose (--profile|up|run|exec|logs|restart|pull|-).*", command)
        if found:
            yield shlex.split(found[0])[2:]


@pytest.mark.parametrize("page", PAGES)
def test_compose_knows_profiles_and_services(page: str, services: dict[str, Any]) -> None:
    profiles = _profiles(services)
    for words in _compose(page):
        named = {words[at + 1] for at, word in enumerate(words) if word == "--profile"}
        assert named <= profiles | {"*"}, words
        for service in _services(words):
            assert service in services or service.isupper(), words


def _services(words: list[str]) -> list[str]:
    """The services that a command of Compose names; of `run` and `exec` the first word only."""
    rest = iter(words)
    found: list[str] = []
    command = ""
    for word in rest:
        if word == "|":
            break
        if word in OPTIONS_WITH_VALUES:
            next(rest, "")
        elif not word.startswith("-"):
            if command:
                found.append(word)
            command = command or word
    return found[:1] if command in {"run", "exec"} else found if command in WITH_SERVICES else []


def _routes() -> set[str]:
    code = "".join(path.read_text() for path in (ROOT / "serving/runtime/http").glob("*.py"))
    return set(re.findall(r'"(/[a-z/.]*)": (?:Route|_always)', code))


@pytest.mark.parametrize("page", PAGES)
def test_the_service_has_the_addresses(page: str) -> None:
    routes = _routes()
    assert {"/predict", "/health", "/metrics", "/"} <= routes
    for command in _typed(page):
        asked = re.findall(r"curl .*?http://localhost:?(\d*)(/[\w/.-]*)?", command)
        for port, path in asked:
            assert (path or "/") in (routes if port in SERVICE_PORTS else OF_OTHERS), command


def test_the_model_of_the_readme_is_the_one_that_a_test_trains() -> None:
    assert blocks("README.md", "yaml")[0] == blocks("docs/adding-a-model.md", "yaml")[0]


def test_the_second_model_of_the_page_is_a_right_one() -> None:
    content = yaml.safe_load(blocks("docs/adding-a-model.md", "yaml")[1])
    assert PipelineSpec.model_validate(content["attributes"]).task == "forecast"


def test_ports_of_the_table_are_the_defaults() -> None:
    compose = "".join(path.read_text() for path in ROOT.glob("docker-compose*.yml"))
    table = text_of("docs/operations.md").split("## Ports")[1].split("\n## ")[0]
    told = dict(re.findall(r"^\| (\d+) \|[^|]*\| `([A-Z_]+)` \|", table, re.MULTILINE))
    defaults = dict(re.findall(r"\$\{([A-Z_]+_PORT):-(\d+)\}", compose))
    assert len(told) > 5
    for port, variable in told.items():
        assert defaults.get(variable, port) == port, variable


def test_the_engine_that_the_readme_asks_for_is_the_one_that_doctor_does() -> None:
    told = re.search(r"Engine of ([\d.]+) .*?Compose ([\d.]+) ", text_of("README.md"), re.DOTALL)
    assert told
    assert told.groups() == tuple(
        ".".join(map(str, one)) for one in (ENGINE_MINIMUM, COMPOSE_MINIMUM)
    )


def test_every_page_is_reached_from_the_readme() -> None:
    seen, waiting = set[str](), ["README.md"]
    while waiting:
        page = waiting.pop()
        seen.add(page)
        for link in links(page):
            target = ((ROOT / page).parent / link.partition("#")[0]).resolve()
            name = str(target.relative_to(ROOT)) if target.is_relative_to(ROOT) else ""
            if PurePosixPath(name).suffix == ".md" and name in PAGES and name not in seen:
                waiting.append(name)
    assert seen == set(PAGES)
