import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml_assets.core.training.fitting import fit, save
from ml_assets.resources.model_log import _signature
from tests.unit.model_cases import HORIZON, forecast_model, iris


def history(*, hours: int) -> pd.DataFrame:
    """The readings of one oven, as a user sends them."""
    times = pd.date_range("2020-02-01", periods=hours, freq="h", tz="UTC")
    wave = np.sin(np.arange(hours) * np.pi / 12)
    columns = {"date": times.strftime("%Y-%m-%dT%H:%M:%SZ"), "load": wave, "OT": 20 + 5 * wave}
    return pd.DataFrame({**columns, "oven": "a"})


def test_the_signature_of_a_forecast_has_one_number_for_each_step(tmp_path: Path):
    forecast_model(tmp_path)
    signature = _signature(tmp_path, history(hours=40))
    assert signature.inputs.input_names() == ["date", "load", "OT", "oven"]
    (output,) = signature.outputs.inputs
    assert (output.type, output.shape) == (np.float64, (-1, HORIZON))


def test_the_signature_of_a_classification_has_names_of_classes(tmp_path: Path):
    spec, data = iris()
    save(fit(data, spec), tmp_path, data_version="1", input_ranges={})
    example = pd.DataFrame([[5.1, 3.5, 1.4, 0.2]] * 3, columns=["a", "b", "c", "d"])
    (output,) = _signature(tmp_path, example).outputs.inputs
    assert (output.type.kind, output.shape) == ("U", (-1,))


def test_an_example_that_has_no_answer_leaves_the_outputs_open_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    forecast_model(tmp_path)
    with caplog.at_level(logging.WARNING):
        signature = _signature(tmp_path, history(hours=5))
    assert signature.outputs is None
    assert "the signature has no outputs" in caplog.text
