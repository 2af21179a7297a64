"""Where an image came from is read of its labels, and nothing else."""

import re
from pathlib import Path

import pytest

from serving.release.image import BASE, BASE_NAME, LOCK
from serving.release.origin import Origin
from serving.release.records import ReleaseError
from tests.unit.image_cases import tar
from tests.unit.ledger_cases import digest_of, hex_of
from tests.unit.saved_images import SavedImage, layout

LABELS = {BASE: digest_of("base"), BASE_NAME: "acme-serve:7", LOCK: digest_of("lock")}


def origin(place: Path, labels: dict[str, str] | None) -> Origin:
    return Origin.of(layout(SavedImage.of(tar({}), labels=labels), place / "layout"))


def test_the_base_and_its_lock_file_are_what_the_image_says(tmp_path: Path) -> None:
    expected = Origin("acme-serve:7", digest_of("base"), hex_of("lock"))
    assert origin(tmp_path, LABELS) == expected


def test_a_base_that_docker_build_has_not_made_is_refused(tmp_path: Path) -> None:
    labels = {key: value for key, value in LABELS.items() if key != LOCK}
    with pytest.raises(ReleaseError, match=r"no label ml-assets\.lock; build its base"):
        origin(tmp_path, labels)


def test_a_label_that_is_no_digest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"ml-assets\.lock of its base acme-serve:7 is 'main'"):
        origin(tmp_path, LABELS | {LOCK: "main"})


@pytest.mark.parametrize("missing", [BASE, BASE_NAME])
def test_an_image_without_its_base_is_refused(tmp_path: Path, missing: str) -> None:
    labels = {key: value for key, value in LABELS.items() if key != missing}
    with pytest.raises(ReleaseError, match=f"no label {re.escape(missing)}; materialise"):
        origin(tmp_path, labels)


def test_an_image_without_any_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="has no label"):
        origin(tmp_path, None)
