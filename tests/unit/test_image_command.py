"""The image that `make serve` starts: that of the version in production, once it is released."""

import pytest

from commands import image
from commands.__main__ import main
from ml_assets.resources.registry import ModelRegistry
from tests.registry_cases import Shelf
from tests.unit.webserver_cases import Webserver

Output = pytest.CaptureFixture[str]


@pytest.fixture
def shelf(registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """A model whose second version is in production, and is not released yet."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry.tracking_uri)
    shelf = Shelf(registry)
    shelf.promote(1, 2)
    return shelf


def release(shelf: Shelf) -> None:
    """Notes what a release notes."""
    image = "localhost:5050/oven:v2"
    shelf.registry.record_release(shelf.version(2), image=image, digest="sha256:2")


def test_the_image_is_named_by_its_digest_and_nothing_else_is_printed(
    webserver: Webserver, shelf: Shelf, capsys: Output
) -> None:
    release(shelf)
    assert main(["image", "oven"]) == 0
    assert capsys.readouterr().out == "localhost:5050/oven@sha256:2\n"


def test_a_release_that_runs_is_waited_for(
    webserver: Webserver, shelf: Shelf, capsys: Output
) -> None:
    webserver.releases = [{"runId": "run-1", "status": "STARTED"}]
    webserver.at_the_end = lambda: release(shelf)
    assert main(["image", "oven"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "localhost:5050/oven@sha256:2\n"
    assert "waits for the release of oven v2" in printed.err


def test_a_release_that_has_failed_is_not_waited_for(
    webserver: Webserver, shelf: Shelf, capsys: Output
) -> None:
    webserver.releases = [{"runId": "run-1", "status": "FAILURE"}]
    assert main(["image", "oven"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "the release of oven v2 has failed" in printed.err
    assert "make release MODEL=oven" in printed.err


def test_a_release_that_has_ended_well_and_left_no_image_is_told(
    webserver: Webserver, shelf: Shelf, capsys: Output
) -> None:
    webserver.releases = [{"runId": "run-1", "status": "SUCCESS"}]
    assert main(["image", "oven"]) == 1
    assert "oven v2 has no image" in capsys.readouterr().err


def test_a_release_that_never_begins_is_told(
    webserver: Webserver, shelf: Shelf, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image, "LAUNCH_SECONDS", 0)
    assert main(["image", "oven"]) == 1
    assert "oven v2 is not released, and no release began" in capsys.readouterr().err


def test_a_model_without_a_version_in_production_is_told(
    webserver: Webserver, shelf: Shelf, capsys: Output
) -> None:
    shelf.hand_move(None)
    assert main(["image", "oven"]) == 1
    assert "no version of 'oven' is in production; train one" in capsys.readouterr().err


def test_registered_models_are_listed(shelf: Shelf, capsys: Output) -> None:
    assert main(["models"]) == 0
    versions = "  v1  previous\n  v2  production\n  v3\n"
    assert capsys.readouterr().out == f"oven\n{versions}"
