"""State directories of the integration tests; each model is trained once and then shared."""

from dataclasses import dataclass

import pytest

from ml_assets.core.promotion import Promotion
from tests.integration.workplace import SIMULATED, TRANSFORMER, Ended, Workplace


@dataclass(frozen=True)
class Trained(Workplace):
    """A workplace whose first command was the main job.

    Attributes:
        first: How that command ended.
        first_promotion: The record of the promotion that it made.
    """

    first: Ended
    first_promotion: Promotion


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The transformers' model in production.

    Tests may run more jobs on it: none may count on a version number, or on the last dataset.
    """
    place = Workplace.create(tmp_path_factory.mktemp("trained"))
    ended = place.run(TRANSFORMER, "--source", SIMULATED)
    assert ended.status == 0, ended.printed
    record = place.file(TRANSFORMER, "promotion.json").read_text()
    return Trained(place.home, ended, Promotion.model_validate_json(record))
