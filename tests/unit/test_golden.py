"""Golden requests: whatever was evaluated is asked in many ways, and answered as was predicted."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml_assets.core.dataset.simulator import simulate
from ml_assets.core.errors import DataError
from ml_assets.core.evaluation.golden import GOLDEN_REQUESTS, TABLE_ROWS
from serving.golden import GoldenRequest
from tests.unit.evaluation_cases import diabetes, iris, table_spec
from tests.unit.golden_cases import (
    BERLIN,
    Evaluated,
    assert_answers,
    oven_spec,
    ovens,
    shipped_spec,
)

AUTUMN, SPRING = "2024-09-22", "2024-02-25"
"""Days from which the test span of 40 days holds a change of the clocks."""


@pytest.fixture(scope="module")
def baked() -> Evaluated:
    """Three ovens with gaps of both kinds, in a time zone with summer time."""
    spec = oven_spec(timezone=BERLIN)
    return Evaluated.of(spec, ovens("a", "b", "c", start=AUTUMN, absent=0.01, empty=0.01))


@pytest.fixture(scope="module")
def asked(baked: Evaluated) -> list[GoldenRequest]:
    return baked.golden()


def entities(request: GoldenRequest) -> list[Any]:
    return [one["entity"] for one in request.predictions if isinstance(one, dict)]


def origins(requests: Sequence[GoldenRequest]) -> Counter[tuple[Any, str]]:
    answers = (one for request in requests for one in request.predictions)
    return Counter((one["entity"], one["origin"]) for one in answers if isinstance(one, dict))


def several(requests: Sequence[GoldenRequest]) -> list[GoldenRequest]:
    return [one for one in requests if len(one.predictions) > 1]


def dates(request: GoldenRequest) -> list[str]:
    return [str(value) for value in request.data["date"]]


def instants(request: GoldenRequest) -> list[datetime]:
    return [datetime.fromisoformat(text) for text in dates(request)]


class TestAnswers:
    """What the evaluation predicted is what the request path answers."""

    def test_of_the_transformers_that_ship(self) -> None:
        spec = shipped_spec("transformer_temperature")
        shipped = Evaluated.of(spec, simulate(entities=2, days=150))
        requests = shipped.golden()
        assert len(requests) == GOLDEN_REQUESTS
        assert_answers(shipped.model, requests)

    def test_of_the_irises_that_ship(self) -> None:
        spec = shipped_spec("iris")
        frame = iris().set_axis([*spec.columns.inputs, "species"], axis="columns")
        shipped = Evaluated.of(spec, frame)
        requests = shipped.golden()
        assert len(requests) == GOLDEN_REQUESTS
        assert_answers(shipped.model, requests)

    def test_of_a_real_transformer(self, etth1: Path) -> None:
        split = {"train": 8640, "validation": 2880, "test": 2880}
        frame = pd.read_csv(etth1, nrows=14_400).assign(transformer="ETTh1")
        times = pd.to_datetime(frame["date"], utc=True).astype("datetime64[us, UTC]")
        real = Evaluated.of(
            shipped_spec("transformer_temperature", split=split), frame.assign(date=times)
        )
        assert_answers(real.model, real.golden())

    def test_of_a_regression(self) -> None:
        table = diabetes()
        measured = Evaluated.of(table_spec("regression", [*table.columns[:-1]]), table)
        assert_answers(measured.model, measured.golden())

    def test_of_an_estimator_of_scikit_learn(self) -> None:
        table, estimator = iris(), {"type": "sklearn.linear_model.LogisticRegression"}
        spec = table_spec("classification", [*table.columns[:-1]], estimator=estimator)
        measured = Evaluated.of(spec, table)
        assert_answers(measured.model, measured.golden())

    def test_of_readings_with_gaps_on_clocks_that_are_put_back(
        self, baked: Evaluated, asked: Sequence[GoldenRequest]
    ) -> None:
        assert_answers(baked.model, asked)

    def test_of_readings_on_clocks_that_are_put_forward(self) -> None:
        measured = Evaluated.of(oven_spec(timezone=BERLIN), ovens("a", start=SPRING))
        assert_answers(measured.model, measured.golden())

    @pytest.mark.parametrize("max_gap", [0, 1, 5])
    @pytest.mark.parametrize("share", [0.02, 0.08])
    def test_of_readings_with_many_gaps(self, max_gap: int, share: float) -> None:
        frame = ovens("a", "b", days=100, absent=share / 2, empty=share / 4)
        measured = Evaluated.of(oven_spec(max_gap=max_gap), frame)
        assert_answers(measured.model, measured.golden(count=150))


class TestOrigins:
    """Which test rows a forecast is asked for."""

    def test_lie_in_the_test_span(self, baked: Evaluated, asked: Sequence[GoldenRequest]) -> None:
        span = {f"{time}Z" for time in baked.test.timestamps.astype("datetime64[s]")}
        assert {time for _, time in origins(asked)} <= span

    def test_are_spread_evenly_over_the_entities(self, asked: Sequence[GoldenRequest]) -> None:
        leaders = Counter(entity for entity, _ in origins(asked).elements() if entity)
        assert set(leaders) == {"a", "b", "c"}
        assert max(leaders.values()) < 1.3 * min(leaders.values())

    def test_are_spread_evenly_over_the_test_span(
        self, baked: Evaluated, asked: Sequence[GoldenRequest]
    ) -> None:
        times = baked.test.timestamps.astype("datetime64[s]").astype(np.int64)
        found = np.array([time.rstrip("Z") for _, time in origins(asked)], "datetime64[s]")
        edges = np.linspace(times.min(), times.max(), 11)
        counts, _ = np.histogram(found.astype(np.int64), edges)
        assert counts.min() > 0.5 * counts.mean()

    def test_of_a_rare_entity_are_there(self) -> None:
        frame = ovens("a", "b")
        rare = frame[(frame["oven"] == "a") | (frame["date"] >= "2024-02-07")]
        asked = Evaluated.of(oven_spec(), rare.reset_index(drop=True)).golden()
        assert Counter(entity for entity, _ in origins(asked).elements())["b"] > 100

    def test_with_a_gap_in_their_history_are_a_quarter_even_where_gaps_are_rare(self) -> None:
        frame = ovens("a", days=300).drop([6800, 6801]).reset_index(drop=True)
        requests = Evaluated.of(oven_spec(), frame).golden(count=40)
        gappy = [one for one in requests if _misses_an_hour(one)]
        assert len(gappy) >= len(requests) // 4

    def test_whose_prediction_is_not_finite_are_left_out(self, baked: Evaluated) -> None:
        predictions = baked.predictions.copy()
        predictions[baked.test.entities != "a"] = np.nan
        asked = replace(baked, predictions=predictions).golden(count=50)
        assert {entity for entity, _ in origins(asked)} <= {"a", None}

    def test_of_a_reading_that_is_absent_are_left_out(self) -> None:
        frame = ovens("a")
        absent = str(frame["date"].iloc[-20])
        measured = Evaluated.of(oven_spec(), frame.drop(len(frame) - 20).reset_index(drop=True))
        test = measured.test.timestamps.astype(str)
        assert any(absent[:10] in time and absent[11:13] in time for time in test)
        asked = {time for _, time in origins(measured.golden())}
        assert f"{absent[:10]}T{absent[11:19]}Z" not in asked

    def test_are_whole_where_the_model_fills_gaps_in_another_way(self) -> None:
        frame = ovens("a", "b", days=60, absent=0.01)
        measured = Evaluated.of(oven_spec(max_gap=3), frame, older=oven_spec(max_gap=1))
        requests = measured.golden(count=100)
        assert not any(map(_misses_an_hour, several(requests)))
        assert_answers(measured.model, requests)

    def test_without_any_the_error_says_what_is_missing(self) -> None:
        measured = Evaluated.of(oven_spec(), ovens("a"))
        late = measured.dataset.iloc[-20:].reset_index(drop=True)
        with pytest.raises(DataError, match="no test row of 'oven' .* 24 steps of history"):
            replace(measured, dataset=late).golden()


def _misses_an_hour(request: GoldenRequest) -> bool:
    units = request.data.get("oven", [None] * len(dates(request)))
    rows = sorted(zip(map(str, units), instants(request), strict=True))
    hours = [
        (late[1] - early[1]).total_seconds() / 3600
        for early, late in pairwise(rows)
        if early[0] == late[0]
    ]
    return any(hour > 1 for hour in hours) or None in request.data["load"]


class TestManners:
    """The ways in which a forecast is asked for."""

    def test_time_stamps_are_written_in_three_ways(self, asked: Sequence[GoldenRequest]) -> None:
        kinds = Counter(dates(one)[0][19:] for one in asked)
        assert set(kinds) == {"Z", "+05:30", ""}
        assert min(kinds.values()) > GOLDEN_REQUESTS // 5

    def test_without_an_offset_they_are_on_the_clocks_of_the_model(
        self, asked: Sequence[GoldenRequest]
    ) -> None:
        answer = next(one for one in asked if len(dates(one)[-1]) == 19 and len(entities(one)) == 1)
        shown = pd.Timestamp(dates(answer)[-1]).tz_localize(BERLIN).tz_convert("UTC")
        assert isinstance(answer.predictions[0], dict)
        assert answer.predictions[0]["origin"] == f"{shown:%Y-%m-%dT%H:%M:%SZ}"

    def test_times_that_come_twice_are_never_without_an_offset(
        self, asked: Sequence[GoldenRequest]
    ) -> None:
        naive = [text for one in asked for text in dates(one) if len(text) == 19]
        hours = {text[11:13] for text in naive if text.startswith("2024-10-27")}
        assert "02" not in hours
        assert "04" in hours

    def test_a_quarter_is_for_several_entities(self, asked: Sequence[GoldenRequest]) -> None:
        sizes = Counter(len(one.predictions) for one in asked)
        assert set(sizes) == {1, 3}
        assert sizes[3] == pytest.approx(GOLDEN_REQUESTS / 4, abs=2)

    def test_entities_of_one_request_differ(self, asked: Sequence[GoldenRequest]) -> None:
        assert all(len({*entities(one)}) == 3 for one in several(asked))

    def test_rows_of_several_entities_are_mixed_and_each_keeps_its_order(
        self, asked: Sequence[GoldenRequest]
    ) -> None:
        for one in several(asked):
            units = one.data["oven"]
            changes = sum(before != after for before, after in pairwise(units))
            times = instants(one)
            for unit in {*units}:
                own = [time for time, name in zip(times, units, strict=True) if name == unit]
                assert own == sorted(own)
            assert changes >= 2
        mixed = [one for one in several(asked) if instants(one) != sorted(instants(one))]
        assert GOLDEN_REQUESTS // 10 < len(mixed) < GOLDEN_REQUESTS // 5

    def test_answers_come_in_the_order_of_first_rows(self, asked: Sequence[GoldenRequest]) -> None:
        orders = {tuple(entities(one)) for one in several(asked)}
        assert all(entities(one) == [*dict.fromkeys(one.data["oven"])] for one in several(asked))
        assert len(orders) == 6

    def test_some_leave_the_column_of_entities_out(self, asked: Sequence[GoldenRequest]) -> None:
        unnamed = [one for one in asked if "oven" not in one.data]
        assert len(unnamed) > 20
        assert all(entities(one) == [None] for one in unnamed)

    def test_some_send_more_history_than_is_needed(self) -> None:
        requests = Evaluated.of(oven_spec(), ovens("a")).golden()
        assert {len(dates(one)) for one in requests} == {26, 50}

    def test_missing_readings_are_null(self, asked: Sequence[GoldenRequest]) -> None:
        assert sum(None in one.data["load"] for one in asked) > 50
        assert not any(value != value for one in asked for value in one.data["load"])  # noqa: PLR0124

    def test_few_origins_are_asked_for_in_several_ways(self, baked: Evaluated) -> None:
        requests = baked.first(7).golden()
        assert len(requests) == GOLDEN_REQUESTS
        assert len(origins(requests)) <= 14
        assert len({one.model_dump_json() for one in requests}) > 50
        assert_answers(baked.model, requests)

    def test_same_input_gives_the_same_requests(
        self, baked: Evaluated, asked: Sequence[GoldenRequest]
    ) -> None:
        assert baked.golden() == asked


class TestOlderModel:
    """A candidate that another YAML file described is asked in its own terms."""

    def test_is_sent_the_history_that_it_needs(self) -> None:
        older = oven_spec(lookback=40)
        measured = Evaluated.of(oven_spec(), ovens("a", "b"), older=older)
        assert_answers(measured.model, measured.golden(count=100))

    def test_is_asked_on_its_own_clocks(self) -> None:
        measured = Evaluated.of(oven_spec(), ovens("a"), older=oven_spec(timezone=BERLIN))
        assert_answers(measured.model, measured.golden(count=100))

    def test_that_knows_no_entities_is_asked_for_one_series_at_a_time(self) -> None:
        spec = oven_spec()
        columns = spec.columns.model_copy(update={"entity": None})
        measured = Evaluated.of(spec, ovens("a", "b"))
        manifest = measured.model.manifest.model_copy(update={"columns": columns})
        model = replace(measured.model, manifest=manifest)
        requests = replace(measured, model=model).golden(count=100)
        assert {len(one.predictions) for one in requests} == {1}
        assert_answers(model, requests)


@pytest.fixture(scope="module")
def measured() -> Evaluated:
    """Irises, two of them without all lengths."""
    table = iris()
    table.loc[[3, 90], table.columns[0]] = np.nan
    return Evaluated.of(table_spec("classification", [*table.columns[:-1]]), table)


class TestTables:
    """Rows of a table, in small sets."""

    def test_hold_one_to_eight_rows(self, measured: Evaluated) -> None:
        sizes = Counter(len(one.predictions) for one in measured.golden())
        assert set(sizes) == set(range(1, TABLE_ROWS + 1))

    def test_are_enough_where_rows_are_few(self, measured: Evaluated) -> None:
        requests = measured.first(2).golden()
        assert len(requests) == GOLDEN_REQUESTS
        assert {len(one.predictions) for one in requests} == {1, 2}

    def test_ask_for_every_test_row(self, measured: Evaluated) -> None:
        asked = {
            row
            for one in measured.golden()
            for row in zip(*(one.data[name] for name in measured.spec.columns.inputs), strict=True)
        }
        rows = measured.dataset[measured.spec.columns.inputs].to_numpy()
        assert asked == {tuple(rows[int(row)]) for row in measured.test.entities}

    def test_probabilities_are_those_of_the_evaluation(self, measured: Evaluated) -> None:
        for request in measured.golden(count=20):
            assert request.probabilities is not None
            by_row = np.array([*request.probabilities.values()]).T
            assert all((measured.predictions == row).all(axis=1).any() for row in by_row)

    def test_without_a_finite_prediction_the_error_says_so(self, measured: Evaluated) -> None:
        nothing = replace(measured, predictions=np.full_like(measured.predictions, np.nan))
        with pytest.raises(DataError, match="'table' predicts no finite number"):
            nothing.golden()
