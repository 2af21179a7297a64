import subprocess
import sys
import warnings
from collections.abc import Iterator
from io import BytesIO

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from ml_assets.core.evaluation import plots
from ml_assets.core.evaluation.baselines import naive_forecasts, training_scale
from ml_assets.core.evaluation.measuring import EntityErrors, Evaluation, evaluate
from ml_assets.core.features.training_set import Part
from ml_assets.core.training.study import TrialRecord, TuningResult
from tests.unit.evaluation_cases import forecast_spec, part_of, readings, table_spec, training_set

SPEC = forecast_spec()
SERIES = [readings("a"), readings("b", seed=2)]
CLASSES = ("no", "yes")


@pytest.fixture(autouse=True)
def _no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # What earlier tests left open is told whenever it is collected.
        warnings.simplefilter("ignore", ResourceWarning)
        yield


@pytest.fixture(scope="module")
def test_part() -> Part:
    return training_set(SERIES, SPEC).part("test")


@pytest.fixture(scope="module")
def evaluation(test_part: Part) -> Evaluation:
    assert SPEC.forecast is not None
    return evaluate(
        test_part,
        SPEC,
        candidate=test_part.labels * 0.9,
        production=test_part.labels * 1.2,
        baselines=naive_forecasts(test_part, SERIES, forecast=SPEC.forecast),
        scale=training_scale(test_part, SERIES, forecast=SPEC.forecast),
    )


def classified() -> Evaluation:
    return evaluate(
        part_of(np.array(["no", "yes", "yes", "yes"])),
        table_spec("classification", ["x"]),
        candidate=np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.2, 0.8]]),
        baselines={},
        classes=CLASSES,
    )


def tuned(*values: float | None) -> TuningResult:
    trials = [
        TrialRecord(
            number=number,
            state="pruned" if value is None else "complete",
            value=value,
            parameters={},
            seconds=1,
        )
        for number, value in enumerate(values)
    ]
    return TuningResult(
        study="s",
        metric="validation_rmse",
        best_parameters={},
        best_value=1,
        default_value=values[0] or 0,
        trials=trials,
        resumed=0,
        importances={"max_depth": 0.2, "learning_rate": 0.8},
    )


def line(figure: Figure, label: str, *, panel: int = 0) -> tuple[list[float], list[float]]:
    found = {one.get_label(): one for one in figure.axes[panel].get_lines()}[label]
    return list(found.get_xdata(orig=False)), list(found.get_ydata())


def bars(figure: Figure) -> dict[str, float]:
    axes = figure.axes[0]
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    widths = [bar.get_width() for bar in axes.patches]  # type: ignore[attr-defined]
    return dict(zip(names, widths, strict=True))


def test_a_figure_becomes_a_png_of_its_size_in_pixels() -> None:
    png = plots.to_png(plots.errors_by_entity(_with_entities(2)))
    height, width, _ = imread(BytesIO(png), format="png").shape
    assert (width, height) == (800, 218)
    assert len(png) < 100_000


def test_a_forecast_begins_one_step_after_the_history_and_beside_the_truth(
    test_part: Part,
) -> None:
    figure = plots.forecasts(test_part, test_part.labels + 1, series=SERIES, spec=SPEC, origins=1)
    times, truth = line(figure, "what happened")
    ahead, forecast = line(figure, "forecast")
    assert times[-6:] == ahead
    assert np.allclose(np.array(forecast) - truth[-6:], 1, atol=1e-5)
    assert line(figure, "origin")[0][0] == times[-7]
    assert np.allclose(np.diff(times[-7:]), 1 / 24)


def test_the_history_before_the_origin_is_the_readings(test_part: Part) -> None:
    figure = plots.forecasts(test_part, test_part.labels, series=SERIES, spec=SPEC, origins=1)
    _, truth = line(figure, "what happened")
    row = (len(test_part) - 1) // 2
    series = {one.entity: one for one in SERIES}[str(test_part.entities[row])]
    origin = np.searchsorted(series.timestamps, test_part.timestamps[row])
    assert truth[:12] == series.values[origin - 11 : origin + 1, -1].tolist()


def test_there_are_as_many_panels_as_origins(test_part: Part) -> None:
    figure = plots.forecasts(test_part, test_part.labels, series=SERIES, spec=SPEC, origins=3)
    assert [axes.get_visible() for axes in figure.axes] == [True, True, True, False]


def test_every_predictor_has_a_line_of_errors(evaluation: Evaluation) -> None:
    figure = plots.errors_by_step(evaluation)
    for label, name in [
        ("candidate", "candidate"),
        ("production", "production"),
        ("repeating the last value", "persistence"),
        ("the same hour yesterday", "seasonal_naive"),
    ]:
        steps, errors = line(figure, label)
        assert steps == [1, 2, 3, 4, 5, 6]
        assert errors == evaluation.steps[name].mse_scaled


def test_the_axis_says_how_long_a_step_is(evaluation: Evaluation) -> None:
    assert plots.errors_by_step(evaluation).axes[0].get_xlabel() == "steps of 1h ahead"


def test_the_20_most_important_features_are_shown_the_first_on_top() -> None:
    figure = plots.feature_importance({f"x{number}": float(number) for number in range(1, 31)})
    shown = bars(figure)
    assert list(shown) == [f"x{number}" for number in range(30, 10, -1)]
    assert shown["x30"] == pytest.approx(30 / sum(range(1, 31)))
    assert figure.axes[0].yaxis_inverted()


def test_an_estimator_without_importances_gives_an_empty_figure_that_says_so() -> None:
    figure = plots.feature_importance({})
    assert bars(figure) == {}
    assert "does not tell" in figure.get_suptitle()


def test_residuals_are_prediction_minus_truth(test_part: Part) -> None:
    figure = plots.residuals(test_part, test_part.labels + 1.0, spec=SPEC)
    counts = [bar.get_height() for bar in figure.axes[0].patches]  # type: ignore[attr-defined]
    _, middle = line(figure, "median", panel=1)
    assert sum(counts) == test_part.labels.size
    assert np.allclose(middle, 1, atol=1e-5)


def test_residuals_of_a_table_are_shown_over_the_prediction() -> None:
    part = part_of(np.array([1.0, 2.0, 4.0]))
    figure = plots.residuals(part, np.array([2.0, 2.0, 2.0]), spec=table_spec("regression", ["x"]))
    points = np.asarray(figure.axes[1].collections[0].get_offsets())
    assert points.tolist() == [[2, 1], [2, 0], [2, -2]]


def _with_entities(count: int) -> Evaluation:
    entities = [
        EntityErrors(entity=f"e{number}", rows=10, mse_scaled=number / 10, mae_scaled=0.1)
        for number in range(count)
    ]
    return classified().model_copy(update={"entities": entities})


def test_the_worst_entities_are_on_top() -> None:
    assert list(bars(plots.errors_by_entity(_with_entities(3)))) == [
        "e2 (10 rows)",
        "e1 (10 rows)",
        "e0 (10 rows)",
    ]


def test_of_many_entities_the_20_worst_are_shown() -> None:
    figure = plots.errors_by_entity(_with_entities(25))
    assert len(bars(figure)) == 20
    assert figure.get_suptitle() == "Error by entity, the 20 worst"


def test_the_confusion_matrix_shows_the_counts() -> None:
    axes = plots.confusion_matrix(classified()).axes[0]
    assert [text.get_text() for text in axes.texts] == ["1", "0", "1", "2"]
    assert axes.get_xlabel() == "predicted"


def test_calibration_shows_the_share_that_was_true_at_each_probability() -> None:
    labels = np.array(["no", "yes", "yes", "yes"])
    chances = np.array([0.3, 0.3, 0.9, 0.9])
    figure = plots.calibration(labels, np.column_stack([1 - chances, chances]), classes=CLASSES)
    said, happened = line(figure, "yes")
    assert said == pytest.approx([0.3, 0.9])
    assert happened == pytest.approx([0.5, 1.0])


def test_the_search_shows_the_best_error_so_far() -> None:
    figure = plots.tuning_history(tuned(3.0, 4.0, None, 2.0))
    assert line(figure, "best so far") == ([0, 1, 3], [3.0, 3.0, 2.0])
    assert line(figure, "parameters of the YAML")[1] == [3.0, 3.0]


def test_importances_of_parameters_come_with_the_largest_first() -> None:
    shown = bars(plots.parameter_importances(tuned(3.0)))
    assert shown == {"learning_rate": 0.8, "max_depth": 0.2}


def test_too_few_trials_say_so() -> None:
    few = tuned(3.0).model_copy(update={"importances": {}})
    assert "too few complete trials" in plots.parameter_importances(few).get_suptitle()


def test_plots_leave_pyplot_alone() -> None:
    code = (
        "import sys, ml_assets.core.evaluation.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
