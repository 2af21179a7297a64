"""The schema of a model's YAML file, `defs/<model>/defs.yaml`."""

import hashlib
import json
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ml_assets.core.names import METRICS
from serving.runtime.errors import SpecError
from serving.runtime.spec import ColumnSpec, FeatureSpec, ForecastSpec, FrozenModel, Task, Timezone

Scalar = bool | int | float | str
Share = Annotated[float, Field(gt=0)]
Metric = Literal[
    "auto",
    "test_mse_scaled",
    "test_mae_scaled",
    "test_rmse",
    "test_mae",
    "test_r2",
    "test_log_loss",
    "test_accuracy",
    "test_brier",
    "test_roc_auc",
]


class SourceSpec(FrozenModel):
    """Where the readings come from."""

    uri: str = Field(
        description="simulated://transformers?..., sklearn://iris, or a path, glob, http(s) or "
        "s3 URL of CSV or Parquet files."
    )
    sha256: str = Field(
        default="", pattern="^([0-9a-f]{64})?$", description="Expected digest of the one file."
    )
    timezone: Timezone = Field(
        default="UTC", description="IANA time zone of timestamps that carry no offset."
    )
    max_age_hours: Annotated[float, Field(ge=0)] = Field(
        default=0, description="Warn when the newest reading is older than this; 0 never warns."
    )


class SplitSpec(FrozenModel):
    """Spans in time order: a share of all steps (up to 1) or a number of steps (above 1)."""

    train: Share = Field(default=0.6, description="Span the model is fitted on.")
    validation: Share = Field(default=0.2, description="Span for early stopping and tuning.")
    test: Share = Field(default=0.2, description="Span for evaluation; nothing is chosen on it.")


class EstimatorSpec(FrozenModel):
    """What is fitted and how."""

    type: str = Field(
        default="xgboost",
        description="xgboost, or the import path of a scikit-learn-compatible estimator.",
    )
    parameters: dict[str, Scalar] = Field(default={}, description="Passed to the estimator.")
    rounds: Annotated[int, Field(ge=1)] = Field(
        default=500, description="Boosting rounds at most (xgboost)."
    )
    early_stopping_rounds: Annotated[int, Field(ge=0)] = Field(
        default=30, description="Stop after so many rounds without gain on validation; 0 never."
    )
    linear_base: bool = Field(
        default=False, description="Fit a ridge regression first and the estimator on its residual."
    )
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="Where xgboost trains.")
    seed: Annotated[int, Field(ge=0)] = Field(default=7, description="Seed of every random draw.")


class Dimension(FrozenModel):
    """One parameter's range, or its choices."""

    low: float | None = Field(default=None, description="Lowest value.")
    high: float | None = Field(default=None, description="Highest value.")
    integer: bool = Field(default=False, description="Whole numbers only.")
    log: bool = Field(default=False, description="Search on a logarithmic scale.")
    choices: list[Scalar] = Field(default=[], description="Values to choose from.")

    @model_validator(mode="after")
    def _is_range_or_choices(self) -> Self:
        is_range = self.low is not None and self.high is not None
        if is_range == bool(self.choices):
            raise SpecError("a search dimension needs either low and high, or choices")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise SpecError(f"low {self.low:g} is not below high {self.high:g}")
        return self


class TuningSpec(FrozenModel):
    """The search that `<model>_tune` makes on the validation span."""

    trials: Annotated[int, Field(ge=1)] = Field(default=20, description="Trials of one search.")
    parallel: Annotated[int, Field(ge=1)] = Field(default=1, description="Trials at a time.")
    space: dict[str, Dimension] = Field(default={}, description="Parameters to search, by name.")


class GateSpec(FrozenModel):
    """What a candidate must fulfil before it is promoted."""

    metric: Metric = Field(
        default="auto", description="What is compared with production; auto: the task's usual one."
    )
    min_skill: float = Field(
        default=0.0, description="Least skill over every naive baseline (1 - error / error)."
    )
    production_margin: Annotated[float, Field(ge=0)] = Field(
        default=0.02, description="How much worse than production it may be, as a share."
    )
    leak_threshold: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.98, description="Share of the label that one column alone may explain."
    )
    shuffled_margin: Annotated[float, Field(ge=0)] = Field(
        default=0.05, description="Skill that a model of shuffled labels may seem to have."
    )


class AutomationSpec(FrozenModel):
    """Cron expressions; schedules are created stopped and switched on in the UI."""

    train: str = Field(default="", description="When `<model>_train` runs.")
    ingest: str = Field(default="", description="When `<model>_ingest` runs.")


MOST_LETTERS = 2000
"""Length of a text that MLflow keeps with a model."""


class PipelineSpec(FrozenModel):
    """A model, from its data to the gates before its promotion."""

    name: str = Field(
        pattern="^[a-z][a-z0-9_]{0,62}$",
        description="Name of the model: of its assets, its registered model and its service.",
    )
    description: str = Field(
        default="",
        max_length=MOST_LETTERS,
        description="What the model is for; shown in the UI and on the model card.",
    )
    limits: str = Field(
        default="",
        max_length=MOST_LETTERS,
        description="What the model is not for, and when not to trust it; on the model card.",
    )
    task: Task = Field(description="What the model does.")
    source: SourceSpec
    columns: ColumnSpec
    forecast: ForecastSpec | None = Field(default=None, description="Forecasts only.")
    features: FeatureSpec = Field(default=FeatureSpec(), description="Forecasts only.")
    split: SplitSpec = SplitSpec()
    estimator: EstimatorSpec = EstimatorSpec()
    tuning: TuningSpec = TuningSpec()
    gates: GateSpec = GateSpec()
    automation: AutomationSpec = AutomationSpec()

    @model_validator(mode="after")
    def _fits_the_task(self) -> Self:
        if self.task == "forecast":
            self._check_forecast()
        elif self.forecast is not None or self.features.columns:
            raise SpecError(f"forecast and features.columns do not belong to task {self.task!r}")
        if self.task == "classification" and self.estimator.linear_base:
            raise SpecError("estimator.linear_base does not belong to task 'classification'")
        if self.gates.metric not in ("auto", *METRICS[self.task]):
            raise SpecError(
                f"gates.metric {self.gates.metric!r} is not measured for task {self.task!r}; "
                f"choose one of auto, {', '.join(METRICS[self.task])}"
            )
        return self

    def _check_forecast(self) -> None:
        if self.forecast is None or self.columns.timestamp is None:
            raise SpecError("task 'forecast' needs the section forecast and columns.timestamp")
        unknown = sorted(set(self.features.columns) - set(self.columns.numeric))
        if unknown:
            known = ", ".join(self.columns.numeric)
            raise SpecError(f"features.columns names {unknown[0]!r}; the columns are {known}")
        target = self.features.columns.get(self.columns.target)
        if target is None or 0 not in target.lags:
            raise SpecError(
                f"features.columns.{self.columns.target}.lags must hold 0: a forecast is made "
                "relative to the latest value of the target"
            )
        if self.features.reach >= self.forecast.lookback:
            raise SpecError(
                f"features look {self.features.reach} steps back, so forecast.lookback must be at "
                f"least {self.features.reach + 1}; it is {self.forecast.lookback}"
            )

    @property
    def feature_view(self) -> str:
        """Name of the model's features as they are today: another one as soon as one changes."""
        content = {"names": self.feature_names, "features": self.features.model_dump(mode="json")}
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return f"{self.name}_{hashlib.sha256(canonical.encode()).hexdigest()[:8]}"

    @property
    def search_settings(self) -> str:
        """A digest of what a search belongs to; what it found is void once this has changed.

        It covers columns, features, split, estimator and search space; not the number of trials.
        """
        sections = {"task", "columns", "forecast", "features", "split", "estimator"}
        settings = self.model_dump(mode="json", include=sections)
        space = self.tuning.model_dump(mode="json", include={"space"})
        text = json.dumps([settings, space], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The columns of the feature matrix, in order."""
        return self.features.names if self.task == "forecast" else tuple(self.columns.inputs)
