"""State directories that several files of tests share."""

import pytest

from tests.integration.workplace import SIMULATED, TRANSFORMER, Workplace


@pytest.fixture(scope="session")
def promoted(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A version of the transformers' model in production.

    Tests may run more jobs on it: none may count on a version's number or on the last dataset.
    """
    place = Workplace.create(tmp_path_factory.mktemp("promoted"))
    ended = place.execute(TRANSFORMER, source=SIMULATED)
    assert ended.success
    return place
