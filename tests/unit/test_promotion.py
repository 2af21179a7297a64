"""When a candidate may be promoted, and what is written down about it."""

import socket
import time
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from ml_assets.core.errors import RegistryError
from ml_assets.core.evaluation.gates import GateResult
from ml_assets.core.evaluation.measuring import Evaluation, RowSpan
from ml_assets.core.promotion import EvaluationRecord, Promotion, now, who
from ml_assets.resources.promotions import promotion_metrics

NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)


def _gate(name: str, *, passed: bool = True) -> GateResult:
    description = f"{name} is {'fine' if passed else 'not fine'}."
    return GateResult(name=name, passed=passed, description=description, metadata={})


def _record(*gates: GateResult, production: int | None = 3) -> EvaluationRecord:
    rows = RowSpan(compared=10, left_out=0, not_finite=0, first=NEW_YEAR, last=NEW_YEAR)
    evaluation = Evaluation(
        task="forecast",
        target="OT",
        step="1h",
        rows=rows,
        metrics={"test_mse_scaled": 0.5},
        production=None,
        baselines={},
        steps={},
        entities=[],
        classes=[],
        confusion=[],
    )
    return EvaluationRecord(
        candidate=4,
        production=production,
        data_version="d" * 64,
        evaluation=evaluation,
        gates=list(gates) or [_gate("no_leak")],
    )


def _check(
    record: EvaluationRecord, *, candidate: int = 4, production: int | None = 3, data: str = "d"
) -> None:
    record.check_promotable(candidate, production=production, data_version=data * 64)


class TestPromotable:
    """Whether an evaluation still allows a promotion."""

    @pytest.mark.parametrize("production", [3, None])
    def test_what_was_evaluated_and_passed_may_be_promoted(self, production: int | None) -> None:
        _check(_record(production=production), production=production)

    def test_failed_gate_is_told_with_its_reason_and_no_other(self) -> None:
        record = _record(_gate("one"), _gate("two", passed=False))
        with pytest.raises(
            RegistryError, match=r"v4 failed a gate .* promoted: two is not fine\.$"
        ):
            _check(record)

    def test_other_candidate_was_not_evaluated(self) -> None:
        with pytest.raises(RegistryError, match="now the candidate is v5 and production v3"):
            _check(_record(), candidate=5)

    @pytest.mark.parametrize(
        ("then", "now", "says"),
        [
            (3, 2, "beside v3, but now the candidate is v4 and production v2"),
            (3, None, "beside v3, but now the candidate is v4 and production no model"),
            (None, 1, "beside no model, but now the candidate is v4 and production v1"),
        ],
    )
    def test_production_that_moved_needs_another_evaluation(
        self, then: int | None, now: int | None, says: str
    ) -> None:
        with pytest.raises(RegistryError, match=f"{says}; evaluate again"):
            _check(_record(production=then), production=now)

    def test_candidate_fitted_on_other_data_than_evaluated_on_is_refused(self) -> None:
        with pytest.raises(RegistryError, match="fitted on dataset eeeeeeeeeeee but evaluated on"):
            _check(_record(), data="e")

    def test_reason_is_a_sentence_of_every_gate(self) -> None:
        assert _record(_gate("one"), _gate("two")).reason == "- one is fine.\n- two is fine."


class TestRecord:
    """Who, when, from, to, and why."""

    def test_it_is_the_same_after_json(self) -> None:
        entry = Promotion(
            model="oil",
            from_version=None,
            to_version=1,
            who=who(),
            when=now(),
            metrics={"test_mse_scaled": 0.5},
            reason="- fine",
            run_id="r",
        )
        assert Promotion.model_validate_json(entry.model_dump_json()) == entry

    def test_time_without_a_zone_is_refused(self) -> None:
        content = _promotion_json(when="2024-01-01T00:00:00")
        with pytest.raises(ValidationError, match="timezone"):
            Promotion.model_validate(content)

    def test_user_of_the_settings_comes_before_the_login_name(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ML_ASSETS_USER", "release-bot")
        assert who() == f"release-bot@{socket.gethostname()}"

    def test_time_of_the_record_is_in_utc(self) -> None:
        assert now().utcoffset() == NEW_YEAR.utcoffset()

    def test_times_a_millisecond_apart_differ(self) -> None:
        earlier = now()
        time.sleep(0.001)
        assert now() > earlier


def _promotion_json(*, when: str) -> dict[str, object]:
    return {
        "model": "oil",
        "from_version": 1,
        "to_version": 2,
        "who": "me",
        "when": when,
        "metrics": {},
        "reason": "",
        "run_id": "r",
    }


def test_the_metrics_of_the_first_promotion_are_told_and_what_is_not_finite_is_none() -> None:
    tags = {
        "promoted.20260102T000000.000000Z": '{"metrics": {"mae": 2.0}}',
        "promoted.20260101T000000.000000Z": '{"metrics": {"mae": 1.0, "skill": -Infinity}}',
        "data_version": "1",
    }
    assert promotion_metrics(tags) == {"mae": 1.0, "skill": None}
    assert promotion_metrics({"promoted.20260101T000000.000000Z": "{}"}) == {}
    assert promotion_metrics({}) == {}
