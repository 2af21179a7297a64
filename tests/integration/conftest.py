"""State directories that several files of tests share."""

import pytest

from serving.release.packaging import build_bento
from tests.integration.served import Packaged
from tests.integration.workplace import SIMULATED, TRANSFORMER, Workplace
from tests.unit.model_cases import REGISTERED
from tests.unit.request_cases import write_classifier


@pytest.fixture(scope="session")
def promoted(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A version of the transformers' model in production.

    Tests may run more jobs on it: none may count on a version's number or on the last dataset.
    """
    place = Workplace.create(tmp_path_factory.mktemp("promoted"))
    ended = place.execute(TRANSFORMER, source=SIMULATED)
    assert ended.success
    return place


@pytest.fixture(scope="session")
def flower(tmp_path_factory: pytest.TempPathFactory) -> Packaged:
    """The Bento of a small classification, which tests may serve but not change."""
    model_dir, home = tmp_path_factory.mktemp("models") / "flower", tmp_path_factory.mktemp("store")
    write_classifier(model_dir)
    return Packaged(
        model_dir, build_bento(model_dir, version="3", created=REGISTERED, bento_home=home), home
    )
