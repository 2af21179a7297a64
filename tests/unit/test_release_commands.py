"""`make release`, `make deliver` and `make rollback`: which run they launch, and how they end."""

from typing import Any

import pytest

from commands.__main__ import main
from ml_assets.resources.registry import ModelRegistry
from tests.registry_cases import Shelf
from tests.unit.webserver_cases import Webserver

Output = pytest.CaptureFixture[str]


@pytest.fixture
def shelf(registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """A model whose second version is in production, and was released as the first one was."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry.tracking_uri)
    shelf = Shelf(registry)
    shelf.promote(1, 2)
    for number in (1, 2):
        registry.record_release(
            shelf.version(number), image=f"r/oven:v{number}", digest=f"sha256:{number}"
        )
    return shelf


def _only(webserver: Webserver) -> dict[str, Any]:
    """The one run that was launched, with its tags by name."""
    (asked,) = webserver.launched
    tags = {one["key"]: one["value"] for one in asked["tags"]}
    return {**asked, "tags": tags}


@pytest.mark.parametrize(
    ("arguments", "job", "partition", "says"),
    [
        (["release", "oven"], "release", "oven:v2", "oven v2 is released: r/oven:v2, sha256:2"),
        (
            ["release", "oven", "--version", "v1"],
            "release",
            "oven:v1",
            "oven v1 is released: r/oven:v1, sha256:1",
        ),
        (["deliver", "oven"], "deliver", "oven:v2", "The delivery of oven v2 has ended"),
        (
            ["rollback", "oven", "--to", "1"],
            "roll_back",
            "oven:v1",
            "oven v1 is in production again; make ledger shows who has it.",
        ),
    ],
)
def test_a_command_launches_its_job_on_a_version_and_says_what_came_of_it(
    arguments: list[str],
    job: str,
    partition: str,
    says: str,
    webserver: Webserver,
    shelf: Shelf,
    capsys: Output,
) -> None:
    assert main(arguments) == 0
    asked = _only(webserver)
    assert (asked["location"], asked["job"]) == ("release", job)
    assert asked["tags"] == {"dagster/partition": partition, "release": partition}
    assert webserver.partitions == [partition]
    assert bool(asked["config"]) == (job == "roll_back")
    assert says in capsys.readouterr().out


def test_a_rollback_says_who_asks_for_it_and_why(webserver: Webserver, shelf: Shelf) -> None:
    said = ["--who", "anna@host", "--reason", "wrong on Mondays"]
    assert main(["rollback", "oven", "--to", "v1", *said]) == 0
    asked = {"who": "anna@host", "reason": "wrong on Mondays"}
    assert _only(webserver)["config"] == {"ops": {"rollback": {"config": asked}}}


def test_a_rollback_that_names_nobody_is_asked_for_by_the_user(
    webserver: Webserver, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_ASSETS_USER", "berta")
    main(["rollback", "oven", "--to", "v1"])
    asked = _only(webserver)["config"]["ops"]["rollback"]["config"]
    assert (asked["who"].split("@")[0], asked["reason"]) == ("berta", "")


@pytest.mark.parametrize(
    ("arguments", "status", "claim"),
    [
        (["release", "oven"], "FAILURE", "is released"),
        (["deliver", "oven"], "FAILURE", "has ended"),
        (["rollback", "oven", "--to", "1"], "CANCELED", "in production again"),
    ],
)
def test_a_run_that_fails_is_told_with_its_page_and_nothing_is_claimed(
    arguments: list[str],
    status: str,
    claim: str,
    webserver: Webserver,
    shelf: Shelf,
    capsys: Output,
) -> None:
    webserver.status = status
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert f"the run ended as {status.lower()}: " in printed.err
    assert "runs/run-1" in printed.err
    assert claim not in printed.out


@pytest.mark.parametrize(
    ("command", "advice"),
    [("release", "say which: VERSION=3"), ("deliver", "make train MODEL=oven promotes one")],
)
def test_without_a_version_in_production_nothing_is_launched(
    command: str, advice: str, webserver: Webserver, shelf: Shelf, capsys: Output
) -> None:
    shelf.hand_move(None)
    assert main([command, "oven"]) == 1
    told = capsys.readouterr().err
    assert f"no version of 'oven' is in production; {advice}" in told
    assert webserver.launched == []


def test_a_version_that_does_not_exist_is_told(
    webserver: Webserver, shelf: Shelf, capsys: Output
) -> None:
    assert main(["rollback", "oven", "--to", "9"]) == 1
    assert "'oven' has no version 9; it has v1, v2, v3" in capsys.readouterr().err
    assert webserver.launched == []


@pytest.mark.parametrize("text", ["0", "v0", "-1", "latest", "3.0", "v", "٣", ""])
@pytest.mark.parametrize("option", [["release", "oven", "--version"], ["rollback", "oven", "--to"]])
def test_what_is_no_version_is_told_in_a_line(option: list[str], text: str, capsys: Output) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*option[:-1], f"{option[-1]}={text}"])
    assert f"{text!r} is not a version such as 3 or v3" in capsys.readouterr().err


def test_a_rollback_says_where_to(capsys: Output) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["rollback", "oven"])
    assert "the following arguments are required: --to" in capsys.readouterr().err
