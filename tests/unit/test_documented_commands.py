"""Each command of the documentation has a test that runs it, or says what no test can have."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from serving.runtime.http.exchange import HttpError
from serving.runtime.http.keys import ApiKeys
from tests.conftest import ROOT
from tests.documents import PAGES, Shown, commands
from tests.unit.bundle_cases import KeyPair

TABLE = Path(__file__).with_name("documented_commands.yaml")
MINE = f"{Path(__file__).relative_to(ROOT)}::"
WITHOUT = {"source .venv/bin/activate"}
"""Commands that do nothing by themselves."""
NOTES = """#!/bin/sh
echo "$*" >>{log}
case "$*" in
  *"volume inspect"*) exit 1 ;;
  *"ps --quiet mlflow"*) echo {digits} ;;
  *"{{{{.Size}}}}"*) echo 100000000 ;;
  *"commands image"*) echo localhost:5050/iris@sha256:{digits} ;;
esac
"""


def _table() -> Mapping[str, list[str]]:
    found: Mapping[str, list[str]] = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return found


def _shown() -> list[Shown]:
    return [shown for page in PAGES for shown in commands(page)]


def _is_meant(command: str, entry: str) -> bool:
    beginning = entry.removesuffix("*")
    return command.startswith(beginning) if beginning != entry else command == entry


def test_each_command_has_a_test_or_says_what_that_would_need() -> None:
    entries = [entry for entries in _table().values() for entry in entries]
    left = [
        shown
        for shown in _shown()
        if not shown.missing
        and shown.command not in WITHOUT
        and not any(_is_meant(shown.command, entry) for entry in entries)
    ]
    assert left == []


def test_the_table_has_no_command_that_no_page_shows() -> None:
    shown = [one.command for one in _shown()]
    entries = [entry for entries in _table().values() for entry in entries]
    assert [one for one in entries if not any(_is_meant(command, one) for command in shown)] == []


@pytest.mark.parametrize("test", _table())
def test_the_tests_of_the_table_exist(test: str) -> None:
    path, _, name = test.partition("::")
    text = (ROOT / path).read_text(encoding="utf-8")
    if name:
        assert re.search(rf"^(?:def|class) {name}\b", text, re.MULTILINE)
    else:
        for command in _table()[test]:
            assert re.search(rf"^{command}$", text, re.MULTILINE)


def test_what_is_not_run_says_why() -> None:
    reasons = {shown.missing for shown in _shown() if shown.missing}
    assert all(reason.startswith("needs ") for reason in reasons)


def _noted() -> Iterator[str]:
    entries = _table()[f"{MINE}test_it_asks_the_engine_for_what_there_is"]
    for command in dict.fromkeys(shown.command for shown in _shown() if not shown.missing):
        if any(_is_meant(command, entry) for entry in entries):
            yield command


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with an .env, and an engine that only notes what it is asked."""
    place = tmp_path_factory.mktemp("typed")
    home = place / "project"
    shutil.copytree(ROOT / "docker", home / "docker")
    for path in (
        *ROOT.glob("docker-compose*.yml"),
        *map(ROOT.joinpath, ("Makefile", ".env.example")),
    ):
        shutil.copy(path, home)
    shutil.copy(ROOT / "pyproject.toml", home)
    shutil.copytree(ROOT / "requirements", home / "requirements")
    (home / "run.yaml").write_text("trials: 2\n")
    (home / "docker" / "keys").write_text("#!/bin/sh\n")
    docker = place / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(NOTES.format(log=place / "asked", digits=64 * "0"))
    docker.chmod(0o755)
    _typed("docker/configure", home)
    shutil.copy(home / ".env", place / "written")
    return home


@pytest.fixture
def checkout(prepared: Path) -> Path:
    """The same, as if nothing had been typed yet."""
    shutil.copy(prepared.parent / "written", prepared / ".env")
    (prepared.parent / "asked").unlink(missing_ok=True)
    return prepared


def _typed(command: str, home: Path) -> str:
    """What is typed in a shell, which must end well."""
    ended = subprocess.run(
        ["sh", "-c", command],
        cwd=home,
        env={"PATH": f"{home.parent / 'bin'}:/usr/local/bin:/usr/bin:/bin", "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.parametrize("command", list(_noted()))
def test_it_asks_the_engine_for_what_there_is(command: str, checkout: Path) -> None:
    asked = checkout.parent / "asked"
    _typed(command, checkout)
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    lines = asked.read_text().splitlines() if asked.exists() else []
    assert lines or command.startswith(("cp ", "chmod ", "make configured"))
    for line in lines:
        found = re.search(
            r"^compose .*?\brun (?:--?[a-zA-Z-]+(?: \S+:/app/run.yaml:ro)? )*(\S+)", line
        )
        assert not found or found[1] in services, line


def test_a_key_that_is_made_as_told_opens_the_service(tmp_path: Path) -> None:
    [made, kept] = [
        one.command
        for one in commands("docs/service.md")
        if one.command.startswith(("KEY=", "printf"))
    ]
    printed = _typed(f'{made}\n{kept}\nprintf %s "$KEY"', tmp_path)
    keys = ApiKeys.read(tmp_path / "keys.txt")
    keys.check(f"Bearer {printed}")
    with pytest.raises(HttpError):
        keys.check(f"Bearer {printed[::-1]}")


def test_the_fingerprint_of_a_key_is_the_one_that_releases_tell(tmp_path: Path) -> None:
    [told] = [one.command for one in commands("docs/delivery.md") if "openssl pkey" in one.command]
    key = KeyPair().public_key()
    (tmp_path / "release.pub").write_bytes(key.pem)
    printed = _typed(told.replace("var/signing/release.pub", "release.pub"), tmp_path)
    assert printed.split()[0] == key.fingerprint
