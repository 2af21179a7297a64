"""What the side that writes the feature store and the service that reads it must agree on."""

from serving.runtime.spec import ForecastSpec

JOIN_KEY = "entity"
"""The column that says what a feature row belongs to."""
STEPS_TO_LIVE = 2
"""Age in steps beyond which a forecast's feature row is too old."""


def service_name(model: str, version: int | str) -> str:
    """Name of the feature service of one version of a model."""
    return f"{model}_v{version}"


def seconds_to_live(forecast: ForecastSpec | None) -> int:
    """How old a feature row may be; zero, which is Feast's for ever, without a forecast."""
    return STEPS_TO_LIVE * forecast.step_seconds if forecast else 0
