"""Errors that the pipeline raises where the cause is known, each with what to do about it."""

from collections.abc import Iterable
from difflib import get_close_matches

from serving.runtime.errors import MLAssetsError


class SourceError(MLAssetsError):
    """A source can't be read: missing, empty, unreachable, or not the file with that sha256."""


class DataError(MLAssetsError):
    """The content of a source is wrong; the message names file, column and row where known."""


class TrainingError(MLAssetsError):
    """A model can't be fitted: too few rows, an unknown estimator or parameter."""


class StateError(MLAssetsError):
    """The state directory can't be used: no space, no permission, or another run holds it."""


class RegistryError(MLAssetsError):
    """The model registry does not hold what a step needs."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: what is spelt alike, if anything is."""
    close = get_close_matches(name, list(known), n=3)
    return f"; did you mean {' or '.join(close)}?" if close else ""
