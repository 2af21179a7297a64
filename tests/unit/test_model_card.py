"""The model card of a release: what people and programs are told, for each task."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from serving.release.bundle.measured import Measured
from serving.release.bundle.model_card import card_json, card_markdown
from serving.runtime.model import Model
from tests.unit.facts_cases import COMMIT, facts
from tests.unit.http_cases import client_of
from tests.unit.measured_cases import measured, of_classification, of_forecast
from tests.unit.request_cases import write_regressor

SECTIONS = ["Limits", "Data", "Figures", "Slices", "Inputs", "Where it came from", "Contact"]


@pytest.fixture(scope="module")
def price(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A regression of rows."""
    return write_regressor(tmp_path_factory.mktemp("models") / "price")


def _card(model: Model, found: Measured, **changes: Any) -> dict[str, Any]:
    """The card of a model, with what its service tells of it."""
    told = client_of(model).get("/model").json()
    words = {"purpose": "Tells flowers apart.", "limits": "No roses."}
    return card_json(facts(), told, found, **words | changes)


def _markdown(model: Model, found: Measured, **changes: Any) -> str:
    return card_markdown(_card(model, found, **changes), found)


def _section(text: str, title: str) -> list[str]:
    """The lines of a section that are not empty."""
    body = text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return [line for line in body.splitlines() if line]


def _check_tables(text: str) -> None:
    """Every table has rows, each with as many cells as its header."""
    tables = re.findall(r"((?:^\|.*\n)+)", text, re.MULTILINE)
    assert tables
    for table in tables:
        lines = table.splitlines()
        assert len(lines) > 2, table
        assert len({line.count("|") for line in lines}) == 1, table


class TestEveryTask:
    """What all cards have."""

    @pytest.fixture(params=["forecast", "classification", "regression"])
    def card(
        self, request: pytest.FixtureRequest, forecaster: Model, flower: Model, price: Model
    ) -> str:
        return {
            "forecast": lambda: _markdown(forecaster, of_forecast()),
            "classification": lambda: _markdown(flower, of_classification()),
            "regression": lambda: _markdown(price, measured("regression")),
        }[request.param]()

    def test_the_sections_are_those_of_a_model_card(self, card: str) -> None:
        assert re.findall("^## (.*)$", card, re.MULTILINE) == SECTIONS

    def test_no_section_and_no_table_is_empty(self, card: str) -> None:
        assert all(_section(card, title) for title in SECTIONS)
        _check_tables(card)

    def test_the_figures_stand_beside_those_of_the_baselines(self, card: str) -> None:
        figures = _section(card, "Figures")
        assert "| test_rmse | 1.25 | 2.5 |" in figures
        assert "| skill_vs_mean | 0.5 |  |" in figures

    def test_purpose_and_limits_are_in_its_authors_words(self, card: str) -> None:
        assert "\n\nTells flowers apart.\n\n" in card
        assert _section(card, "Limits")[0] == "No roses."


def test_what_nobody_has_told_is_said(flower: Model) -> None:
    card = _markdown(flower, of_classification(), purpose="", limits="")
    assert card.startswith("# flower, version 3\n\nNot stated.\n")
    assert _section(card, "Limits")[0] == "Not stated."
    assert _section(card, "Contact") == ["Not stated."]


class TestForecast:
    """How far it sees, on which entities, and how the error grows."""

    def test_its_limits_are_horizon_and_lookback(self, forecaster: Model) -> None:
        limits = " ".join(_section(_markdown(forecaster, of_forecast()), "Limits"))
        assert "forecasts 3 steps of 1h from at least 30 steps of history" in limits

    def test_each_entity_has_its_errors(self, forecaster: Model) -> None:
        slices = _section(_markdown(forecaster, of_forecast()), "Slices")
        assert "| north | 600 | 0.5 | 0.25 |" in slices

    def test_the_error_is_told_of_the_first_the_last_and_some_steps_between(
        self, forecaster: Model
    ) -> None:
        slices = _section(_markdown(forecaster, of_forecast(steps=24)), "Slices")
        rows = slices[slices.index("| step | error |") + 2 :]
        assert [row.split("|")[1].strip() for row in rows] == ["1", "6", "10", "15", "19", "24"]
        assert rows[-1] == "| 24 | 0.24 |"

    @pytest.mark.parametrize("steps", [1, 2, 3])
    def test_each_of_few_steps_is_told_once(self, steps: int, forecaster: Model) -> None:
        slices = _section(_markdown(forecaster, of_forecast(steps=steps)), "Slices")
        assert len(slices[slices.index("| step | error |") + 2 :]) == steps

    def test_the_rows_have_dates(self, forecaster: Model) -> None:
        (first, *_) = _section(_markdown(forecaster, of_forecast()), "Figures")
        assert first.startswith("Measured on 1,200 rows from 2026-01-02 to 2026-03-04 that")


class TestClassification:
    """Which class is taken for which."""

    def test_each_class_has_the_share_that_was_found(self, flower: Model) -> None:
        slices = _section(_markdown(flower, of_classification()), "Slices")
        assert slices[1:] == [
            "| true class | blue | red | found |",
            "|---|---:|---:|---:|",
            "| blue | 30 | 10 | 0.75 |",
            "| red | 0 | 40 | 1 |",
        ]

    def test_a_class_without_rows_has_no_share(self, flower: Model) -> None:
        found = of_classification().model_copy(update={"confusion": [[0, 0], [0, 40]]})
        assert "| blue | 0 | 0 |  |" in _section(_markdown(flower, found), "Slices")

    def test_a_name_of_a_class_cannot_break_the_table(self, flower: Model) -> None:
        _check_tables(_markdown(flower, of_classification(classes=("a|b", "red"))))

    def test_rows_of_a_table_have_no_dates(self, flower: Model) -> None:
        assert "1970" not in _markdown(flower, of_classification())


def test_a_regression_says_that_no_slices_were_measured(price: Model) -> None:
    card = _markdown(price, measured("regression"))
    assert _section(card, "Slices") == ["None were measured."]


class TestFigureThatIsNotFinite:
    """A skill beside a perfect baseline, for instance."""

    @pytest.fixture(params=[math.nan, math.inf, -math.inf])
    def found(self, request: pytest.FixtureRequest) -> Measured:
        return measured("regression", metrics={"skill_vs_mean": request.param})

    def test_it_is_null_in_json(self, found: Measured, price: Model) -> None:
        written = json.dumps(_card(price, found), allow_nan=False)
        assert json.loads(written)["evaluation"]["metrics"] == {"skill_vs_mean": None}

    def test_it_is_left_out_of_the_table(self, found: Measured, price: Model) -> None:
        assert "| skill_vs_mean |  |  |" in _section(_markdown(price, found), "Figures")


class TestOrigin:
    """Where the image came from."""

    def test_it_names_image_code_and_dates(self, price: Model) -> None:
        origin = "\n".join(_section(_markdown(price, measured("regression")), "Where it came from"))
        assert f"image `{facts().image_digest}`" in origin
        assert f"code of commit `{COMMIT}`" in origin
        assert "registered 2026-01-02, released 2026-02-03" in origin

    def test_code_that_nobody_noted_is_unknown(self, price: Model) -> None:
        found = measured("regression")
        card = _card(price, found) | {"git_commit": ""}
        assert "code of commit `unknown`" in card_markdown(card, found)


def test_the_json_has_all_that_the_service_tells(flower: Model, tmp_path: Path) -> None:
    told = client_of(flower).get("/model").json()
    card = _card(flower, of_classification())
    assert card == card | told
    assert card["evaluation"]["confusion"] == [[30, 10], [0, 40]]
