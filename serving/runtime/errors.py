"""The root of the project's error tree, and the errors that a served model can raise."""


class MLAssetsError(Exception):
    """Base of every error that the project raises on purpose.

    The message says what is wrong, where, and what to do about it, in the user's words.
    """


class SpecError(MLAssetsError, ValueError):
    """A setting of a model's YAML file contradicts another one.

    It is a ``ValueError`` so that pydantic reports it with the place in the YAML file.
    """


class HistoryError(MLAssetsError):
    """Readings that can't be turned into a regular series: unordered, duplicated or too few."""


class RequestError(MLAssetsError):
    """A request to the service whose content is wrong; the message names the field."""


class ModelFileError(MLAssetsError):
    """A model file is missing, damaged, or not the one that was recorded at training time."""
