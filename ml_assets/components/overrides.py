"""What one run may change without touching the YAML file."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from pydantic import Field, ValidationError

from ml_assets.core.spec import SourceSpec
from serving.runtime.errors import SpecError


class SourceOverride(dg.Config):
    """Another source for this run."""

    source: str = Field(default="", description="Path, glob or URL; empty: the YAML's source.")
    sha256: str = Field(default="", description="Expected digest of that one file.")
    timezone: str = Field(default="", description="Time zone of that source's timestamps.")

    def apply(self, spec: SourceSpec) -> SourceSpec:
        """The source of this run.

        Raises:
            SpecError: A value is not one that the YAML file may hold either.
        """
        changed = {"uri": self.source, "timezone": self.timezone}
        given = {name: value for name, value in changed.items() if value}
        if self.source or self.sha256:
            given["sha256"] = self.sha256
        try:
            return SourceSpec.model_validate({**spec.model_dump(), **given})
        except ValidationError as error:
            first = error.errors()[0]
            raise SpecError(f"{first['loc'][0]} of this run: {first['msg']}") from None


class EstimatorOverride(dg.Config):
    """Other parameters for this run."""

    parameters: dict[str, Any] = Field(
        default={}, description="Estimator parameters that replace the YAML's or the tuned ones."
    )


class TuningOverride(dg.Config):
    """Another length of the search for this run."""

    trials: int = Field(default=0, description="Number of trials; 0: the YAML's number.")


OVERRIDES: Mapping[str, type[dg.Config]] = {
    "dataset": SourceOverride,
    "best_params": TuningOverride,
    "model": EstimatorOverride,
}
"""The assets that take an override, and what they take."""


def job_config(model: str, assets: tuple[str, ...]) -> dg.ConfigMapping:
    """The configuration of a job: a flat `run.yaml` whose entries go to the assets they concern.

    A file such as ``{source: readings.csv, parameters: {max_depth: 4}, trials: 50}`` is enough;
    an entry that none of the job's assets takes is an error that lists those it takes.
    """
    taken = {asset: OVERRIDES[asset] for asset in assets if asset in OVERRIDES}
    fields = {name: field for override in taken.values() for name, field in _fields(override)}

    def to_run_config(given: Mapping[str, Any]) -> dict[str, Any]:
        ops = {
            f"{model}__{asset}": {
                "config": {name: given[name] for name, _ in _fields(override) if name in given}
            }
            for asset, override in taken.items()
        }
        return {"ops": ops, "loggers": {"console": {"config": {"log_level": given["log_level"]}}}}

    return dg.ConfigMapping(
        config_fn=to_run_config, config_schema={**fields, "log_level": LOG_LEVEL}
    )


LOG_LEVEL = dg.Field(str, default_value="INFO", description="Least level shown on the console.")


def _fields(override: type[dg.Config]) -> Iterator[tuple[str, dg.Field]]:
    for name, field in override.model_fields.items():
        kind = field.annotation if field.annotation in {str, int} else dict
        yield name, dg.Field(kind, is_required=False, description=field.description)
