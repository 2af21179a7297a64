"""Which inputs lie outside of what the training had, and the example that lies inside."""

import numpy as np
import pytest

from serving.runtime.example import example_columns
from serving.runtime.model import Model
from serving.runtime.predict import predict_columns
from serving.runtime.ranges import InputRanges


def test_values_below_and_above_are_counted_by_column() -> None:
    ranges = InputRanges.of(["a", "b", "c"], {"a": (0, 1), "b": (-5, 5)})
    values = np.array([[0.0, -6.0, 1e9], [1.0, 6.0, np.nan], [2.0, np.nan, 0.0]])
    assert ranges.outside(values) == {"a": 1, "b": 2}


def test_bounds_belong_to_the_range_and_missing_values_do_not_count() -> None:
    ranges = InputRanges.of(["a"], {"a": (0, 1)})
    assert ranges.outside(np.array([[0.0], [1.0], [np.nan]])) == {}


@pytest.mark.parametrize("ranges", [{}, {"load": (2, 9), "OT": (-40, 60)}])
def test_the_example_is_answered_and_lies_within_the_ranges(
    forecaster: Model, ranges: dict[str, tuple[float, float]]
) -> None:
    manifest = forecaster.manifest.model_copy(update={"input_ranges": ranges})
    answer = predict_columns(Model(manifest, forecaster.predictor), example_columns(manifest))
    assert len(answer.predictions) == 1
    assert (answer.missing, answer.outside) == (0, {})
