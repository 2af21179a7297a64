"""The release before: out of its bundle, or by its name where that is gone or damaged."""

import logging
import os
from pathlib import Path

import pytest

from ml_assets.resources.version_files import RegisteredVersion
from serving.release.bundle import oci
from serving.release.bundle.assembling import CARD
from serving.release.bundle.change_notes import Earlier
from serving.release.bundle.facts import RELEASE
from serving.release.earlier import find_earlier
from serving.release.ledger.ledger import Ledger
from serving.release.records import BundleRecord
from tests.unit.bundle_cases import members
from tests.unit.bundling_cases import VERSION, Workbench
from tests.unit.image_cases import tar
from tests.unit.ledger_cases import digest_of, release
from tests.unit.saved_images import image

NEXT = RegisteredVersion("oven", 4, run_id="run2", created=VERSION.created)
LABEL = f"oven v3 (image `{digest_of('image 3')}`)"


@pytest.fixture
def bench(home: Path, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    bench = Workbench.create(home, image("1.0"))
    monkeypatch.setattr(oci, "docker", bench.engine)
    Ledger.of(bench.settings.home).append(release(3, model="oven"))
    return bench


def exchange(archive: Path, record: BundleRecord, name: str, content: bytes) -> None:
    """Writes a bundle with another content of a file."""
    root = record.facts.name
    archive.write_bytes(tar({root: None, **members(archive), f"{root}/{name}": content}))


def test_the_bundle_of_the_release_before_is_read(bench: Workbench) -> None:
    facts = bench.work().facts
    found = find_earlier(NEXT, bench.settings)
    assert isinstance(found, Earlier)
    assert found.facts == facts


def test_a_version_is_not_compared_with_itself(bench: Workbench) -> None:
    bench.work()
    assert find_earlier(VERSION, bench.settings) is None


def test_a_bundle_that_is_gone_is_named(bench: Workbench) -> None:
    bench.files.archive(bench.work()).unlink()
    assert find_earlier(NEXT, bench.settings) == LABEL


@pytest.mark.parametrize("damage", ["cut", "empty", "another release.json", "another card"])
def test_a_damaged_bundle_is_named_and_stops_no_release(
    bench: Workbench, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    record = bench.work()
    archive = bench.files.archive(record)
    match damage:
        case "cut":
            os.truncate(archive, archive.stat().st_size // 2)
        case "empty":
            os.truncate(archive, 0)
        case "another release.json":
            exchange(archive, record, RELEASE, b'{"model": "oven"}')
        case _:
            exchange(archive, record, CARD, b'{"evaluation": []}')
    with caplog.at_level(logging.WARNING):
        assert find_earlier(NEXT, bench.settings) == LABEL
    assert record.file in caplog.text
