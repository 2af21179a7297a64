"""Candidates that must not be promoted: the run says why, and production stays."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml_assets.core.dataset.simulator import simulate
from tests.integration.workplace import TRANSFORMER, Ended, Workplace, failure_of, read_spec

HOURS_AHEAD = 24


@dataclass(frozen=True)
class Refused:
    """A candidate that failed a gate.

    Attributes:
        before: The version in production before.
        ended: How the main job ended.
        alone: What the asset of the promotion says when it is run alone.
        example: The example request before.
    """

    before: int
    ended: Ended
    alone: str
    example: str


def _refused(place: Workplace, readings: pd.DataFrame, path: Path) -> Refused:
    readings.to_csv(path, index=False)
    before = place.version(TRANSFORMER).version
    example = place.file(TRANSFORMER, "example.json").read_text()
    ended = place.run(TRANSFORMER, "--source", str(path))
    alone = place.execute(TRANSFORMER, assets=["promotion"])
    assert not alone.success
    return Refused(before, ended, failure_of(alone), example)


def _readings() -> pd.DataFrame:
    """Every hour of one transformer."""
    simulated = simulate(entities=1, days=60, seed=3)
    return simulated.set_index("date").asfreq("h").ffill().reset_index()


@pytest.fixture(scope="module")
def walk(promoted: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Refused:
    """A model of a random walk, whose best forecast is its last value."""
    readings = _readings()
    steps = np.random.default_rng(1).normal(size=len(readings))
    walk = readings.assign(OT=20 + steps.cumsum())
    return _refused(promoted, walk, tmp_path_factory.mktemp("walk") / "walk.csv")


@pytest.fixture(scope="module")
def leak(promoted: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Refused:
    """A model with an input that is tomorrow's target."""
    readings = _readings()
    noise = np.random.default_rng(1).normal(scale=0.05, size=len(readings))
    known = readings.assign(HUFL=readings["OT"].shift(-HOURS_AHEAD) + noise).dropna()
    return _refused(promoted, known, tmp_path_factory.mktemp("leak") / "leak.csv")


def test_random_walk_is_refused_with_the_numbers_of_the_last_value(walk: Refused) -> None:
    assert walk.ended.status == 1
    found = re.search(
        "better_than_persistence: The model is not better than repeating the last value: "
        r"its skill is (\S+) and must be above (\S+)",
        walk.ended.printed,
    )
    assert found is not None
    assert float(found[1]) <= float(found[2]) == read_spec(TRANSFORMER).gates.min_skill


def test_leaking_column_is_named(leak: Refused) -> None:
    assert leak.ended.status == 1
    assert (
        "no_leak: Column 'HUFL' gives the label away: its feature 'latest HUFL' alone explains"
    ) in leak.ended.printed
    assert "the change of 'OT' after 24 steps" in leak.ended.printed


@pytest.mark.parametrize("name", ["walk", "leak"])
class TestCandidateThatFailedAGate:
    """What holds whatever the gate is."""

    @pytest.fixture
    def refused(self, request: pytest.FixtureRequest, name: str) -> Refused:
        found: Refused = request.getfixturevalue(name)
        return found

    def test_production_is_not_moved(self, promoted: Workplace, refused: Refused) -> None:
        assert promoted.version(TRANSFORMER).version == refused.before

    def test_example_request_is_still_the_one_of_production(
        self, promoted: Workplace, refused: Refused
    ) -> None:
        assert promoted.file(TRANSFORMER, "example.json").read_text() == refused.example

    def test_it_is_registered_as_staging(self, promoted: Workplace, refused: Refused) -> None:
        assert promoted.version(TRANSFORMER, "staging").version > refused.before

    def test_promotion_alone_is_refused_for_the_same_reason(self, refused: Refused) -> None:
        assert "failed a gate and is not promoted: " in refused.alone
        reason = refused.alone.partition("is not promoted: ")[2]
        assert all(part in refused.ended.printed for part in reason.split(". "))

    def test_message_is_the_reason_and_nothing_else(self, refused: Refused) -> None:
        assert refused.ended.printed.count("error:") == 1
        assert "Traceback" not in refused.ended.printed
        assert "Dagster" not in refused.ended.printed
