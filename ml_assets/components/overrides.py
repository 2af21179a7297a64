"""What one run may change without touching the YAML file."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from pydantic import Field, ValidationError

from ml_assets.core.spec import PipelineSpec, SourceSpec
from serving.runtime.errors import SpecError

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOG_LEVEL = dg.Field(
    dg.Enum("LogLevel", [dg.EnumValue(level) for level in LEVELS]),
    default_value="INFO",
    description="Least level of the messages on the console.",
)


class SourceOverride(dg.Config):
    """Another source for this run."""

    source: str = Field(default="", description="Path, glob or URL; empty: the YAML's source.")
    sha256: str = Field(default="", description="Expected digest of that one file.")
    timezone: str = Field(default="", description="Time zone of that source's timestamps.")

    def apply(self, spec: SourceSpec) -> SourceSpec:
        """The source of this run.

        Raises:
            SpecError: A value is not one that the YAML file could hold.
        """
        changed = {"uri": self.source, "timezone": self.timezone}
        given = {name: value for name, value in changed.items() if value}
        if self.source or self.sha256:
            given["sha256"] = self.sha256
        try:
            return SourceSpec.model_validate({**spec.model_dump(), **given})
        except ValidationError as error:
            first = error.errors()[0]
            reason = first["msg"].removeprefix("Value error, ")
            raise SpecError(f"{first['loc'][0]} of this run: {reason}") from None


class EstimatorOverride(dg.Config):
    """Other parameters for this run."""

    parameters: dict[str, Any] = Field(
        default={}, description="Estimator parameters that replace the YAML's or the tuned ones."
    )


class TuningOverride(EstimatorOverride):
    """Another search for this run."""

    trials: int = Field(default=0, description="Number of trials; 0: the YAML's number.")

    def apply(self, spec: PipelineSpec) -> PipelineSpec:
        """The model whose parameters are searched in this run."""
        parameters = {**spec.estimator.parameters, **self.parameters}
        estimator = spec.estimator.model_copy(update={"parameters": parameters})
        tuning = spec.tuning.model_copy(update={"trials": self.trials or spec.tuning.trials})
        return spec.model_copy(update={"estimator": estimator, "tuning": tuning})


OVERRIDES: Mapping[str, type[dg.Config]] = {
    "dataset": SourceOverride,
    "best_params": TuningOverride,
    "model": EstimatorOverride,
}
"""The assets that take an override, and what they take."""


def job_config(model: str, assets: tuple[str, ...]) -> dg.ConfigMapping:
    """The configuration of a job: a flat `run.yaml`, the same for every job of a model.

    Its entries go to the assets that they concern; those of assets that the job does not
    materialise have no effect. A file such as ``{source: readings.csv, trials: 50}`` is enough. An
    unknown entry is an error that lists the known ones.
    """

    def to_run_config(given: Mapping[str, Any]) -> dict[str, Any]:
        ops = {
            f"{model}__{asset}": {
                "config": {name: given[name] for name, _ in _fields(override) if name in given}
            }
            for asset, override in OVERRIDES.items()
            if asset in assets
        }
        return {"ops": ops, "loggers": {"console": {"config": {"log_level": given["log_level"]}}}}

    return dg.ConfigMapping(config_fn=to_run_config, config_schema=dict(ENTRIES))


def _fields(override: type[dg.Config]) -> Iterator[tuple[str, dg.Field]]:
    for name, field in override.model_fields.items():
        kind = field.annotation if field.annotation in {str, int} else dict
        yield name, dg.Field(kind, is_required=False, description=field.description)


ENTRIES: Mapping[str, dg.Field] = {
    **{name: field for override in OVERRIDES.values() for name, field in _fields(override)},
    "log_level": LOG_LEVEL,
}
"""The entries of a `run.yaml`, by name."""
