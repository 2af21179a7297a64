"""How a fitted model is written: whole, or not at all."""

from pathlib import Path

import pytest

from ml_assets.core.errors import StateError
from ml_assets.core.training.fitting import Fitted, fit, save
from serving.runtime.errors import ModelFileError
from serving.runtime.model import Model
from tests.unit.model_cases import FOREST, diabetes, forecast_data, forecast_spec


def fitted_forecast() -> Fitted:
    spec = forecast_spec(linear_base=True)
    return fit(forecast_data(spec), spec)


def test_a_later_model_replaces_an_earlier_one(tmp_path: Path) -> None:
    spec, data = diabetes(type="sklearn.ensemble.RandomForestRegressor", parameters=FOREST)
    save(fit(data, spec), tmp_path, data_version="v1", input_ranges={})
    save(fitted_forecast(), tmp_path, data_version="v2", input_ranges={})
    assert Model.load(tmp_path).manifest.data_version == "v2"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "base.json", "model.json", "model.ubj"
    ]  # fmt: skip


def test_a_model_whose_writing_was_stopped_does_not_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = fitted_forecast()
    save(fitted, tmp_path, data_version="v1", input_ranges={})

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", stop)
    with pytest.raises(KeyboardInterrupt):
        save(fitted, tmp_path, data_version="v2", input_ranges={})
    with pytest.raises(ModelFileError, match=r"model\.json can't be read"):
        Model.load(tmp_path)


def test_a_directory_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StateError, match=r"file/model .*Not a directory"):
        save(fitted_forecast(), tmp_path / "file" / "model", data_version="v1", input_ranges={})


def test_a_saved_model_says_which_time_zone_its_naive_timestamps_have(tmp_path: Path) -> None:
    spec = forecast_spec()
    manifest = save(
        fit(forecast_data(spec), spec), tmp_path, data_version="v1", input_ranges={"OT": (1, 2)}
    )
    assert manifest.timezone == spec.source.timezone
    assert manifest.input_ranges == {"OT": (1, 2)}
