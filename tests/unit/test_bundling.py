"""What making a bundle leaves beside it."""

from pathlib import Path

import pytest

from serving.release.bundle import oci
from tests.unit.bundling_cases import Workbench
from tests.unit.saved_images import image


@pytest.fixture
def bench(home: Path, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    bench = Workbench.create(home, image("1.0"))
    monkeypatch.setattr(oci, "docker", bench.engine)
    return bench


def test_nothing_but_models_lies_among_the_releases(bench: Workbench) -> None:
    bench.work()
    releases = bench.settings.home / "releases"
    assert [one.name for one in releases.iterdir()] == ["oven"]
    assert [one.suffix for one in (bench.settings.home / "layers").iterdir()] == [".gz", ".gz"]
