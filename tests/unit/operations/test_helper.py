"""A helper has a name, few rights, and leaves nothing; doctor's looks are taken through one."""

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from operations.compose_model import ComposeModel
from operations.containers import Container
from operations.doctor import network, permissions
from operations.errors import CommandError
from operations.half_restored import MARKER
from operations.helper import Helper, HostPath
from tests.unit.operations.cases import make_project

ENGINE = """#!{python}
import json, pathlib, sys
with pathlib.Path({log!r}).open("a") as file:
    print(json.dumps(sys.argv[1:]), file=file)
if sys.argv[1] in ("run", "exec"):
    asked = json.loads(sys.argv[-1])
    answers = {{"reach": None, "read": None, "write": None, "there": True}}
    print(json.dumps({{kind: [one] * len(asked.get(kind, [])) for kind, one in answers.items()}}))
elif sys.argv[1] == "volume":
    print("ours-state")
"""
RUN = {"--rm", "--pull=never", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"}
Calls = Callable[[str], list[list[str]]]


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What the program `docker` was called with, by its first word."""
    program, log = tmp_path / "bin" / "docker", tmp_path / "log"
    program.parent.mkdir()
    program.write_text(ENGINE.format(python=sys.executable, log=str(log)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    def told(word: str) -> list[list[str]]:
        lines = log.read_text().splitlines() if log.exists() else []
        return [one for line in lines if (one := json.loads(line))[0] == word]

    return told


def name_of(command: list[str]) -> str:
    (name,) = [one for one in command if one.startswith("--name=")]
    return name.removeprefix("--name=")


@pytest.mark.parametrize("path", ["/plain", "/with, commas,and space", '/with "quotes"'])
def test_a_path_is_mounted_whatever_its_name(path: str) -> None:
    (fields,) = csv.reader([HostPath(path, "/at").mount])
    assert fields == ["type=bind", f"source={path}", "target=/at", "readonly"]
    (fields,) = csv.reader([HostPath(path, "/at", is_written=True).mount])
    assert fields == ["type=bind", f"source={path}", "target=/at"]


@pytest.mark.parametrize("error", [CommandError("has not ended"), KeyboardInterrupt()])
def test_one_that_does_not_end_is_removed(calls: Calls, error: BaseException) -> None:
    with (
        pytest.raises(type(error)),
        Helper("i", "ours").command("measure", volumes={}, capabilities=()) as command,
    ):
        raise error
    assert calls("rm") == [["rm", "--force", "--volumes", name_of(command)]]


def test_a_restore_that_has_not_ended_is_looked_for_in_each_volume(
    calls: Calls, tmp_path: Path
) -> None:
    model = ComposeModel("ours", (), {"state": "ours-state", "logs": "ours-logs"}, {})
    found = permissions.gather(make_project(tmp_path / "p"), model, image="i")
    (command,) = calls("run")
    assert json.loads(command[-1])["there"] == [f"/probe/state/{MARKER}"]
    assert found.is_half_restored


def test_rights_are_looked_at_by_a_helper_who_is_as_runs_are(calls: Calls, tmp_path: Path) -> None:
    data = tmp_path / "a, b"
    data.mkdir()
    project = make_project(tmp_path / "p", f"DATA_DIR='{data}'\nDOCKER_GID=7\n")
    found = permissions.gather(project, ComposeModel("ours", (), {}, {}), image="i")
    (command,) = calls("run")
    assert (found.fault, found.denied) == ("", {})
    assert {*RUN, "--network=none", "--user=1000:0", "--group-add=7"} <= set(command)
    assert HostPath(str(data), "/probe/DATA_DIR").mount in " ".join(command)
    assert name_of(command).startswith("ours-helper-")


@pytest.mark.parametrize(
    ("database", "looked_for"), [("sqlite", set()), ("postgres", {"db.example.org"})]
)
def test_a_database_elsewhere_is_looked_for_if_rows_are_there(
    calls: Calls, tmp_path: Path, database: str, looked_for: set[str]
) -> None:
    project = make_project(tmp_path / "p", f"DATABASE={database}\nPOSTGRES_HOST=db.example.org\n")
    running = [Container("ours-daemon-1", "i", "ours", "daemon", "running", "", 0, 0, ())]
    found = network.gather(project, ComposeModel("ours", (), {}, {}), running, image="")
    assert found.unreachable.keys() == looked_for
    assert len(calls("exec")) == 1


def test_the_registry_is_looked_for_by_a_helper_in_its_network(
    calls: Calls, tmp_path: Path
) -> None:
    model = ComposeModel("ours", (), {}, {"registry": "ours-registry"})
    running = [
        Container(f"ours-{name}-1", "i", "ours", name, "running", "", 0, 0, ())
        for name in ("daemon", "registry")
    ]
    found = network.gather(make_project(tmp_path / "p"), model, running, image="i")
    (command,) = calls("run")
    assert found.unreachable == {"registry": ""}
    assert {*RUN, "--network=ours-registry"} <= set(command)
    assert name_of(command).startswith("ours-helper-")
