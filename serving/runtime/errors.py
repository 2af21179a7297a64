"""The root of the project's error tree, and the errors that a served model can raise."""

from dataclasses import dataclass


class MLAssetsError(Exception):
    """Base of every error that the project raises on purpose.

    The message says what is wrong, where, and what to do about it, in the user's words.
    """


class SpecError(MLAssetsError, ValueError):
    """A setting of a model's YAML file contradicts another one.

    It is a ``ValueError`` so that pydantic reports it with the place in the YAML file.
    """


class HistoryError(MLAssetsError):
    """Readings that can't be turned into a regular series: unordered, duplicated or too few.

    Attributes:
        row: The row that is meant, counted from 0; None if it is not one of them.
        reason: What is wrong there, without the place.
    """

    def __init__(self, message: str, *, row: int | None = None, reason: str = "") -> None:
        super().__init__(message)
        self.row = row
        self.reason = reason or message


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a request.

    Attributes:
        message: What is wrong, where, and what was expected.
        column: The column that is meant; None if it is the request as a whole.
        row: The position in the column's list; None if it is the column as a whole.
    """

    message: str
    column: str | None = None
    row: int | None = None


TOLD = 20
"""How many mistakes of one kind are named."""


class RequestError(MLAssetsError):
    """A request to the service whose content is wrong; the message names the field.

    Attributes:
        problems: Everything that was found wrong, at least one.
    """

    def __init__(self, *problems: Problem | str) -> None:
        found = [Problem(one) if isinstance(one, str) else one for one in problems]
        others = len(found) - 1
        told = f" (and {others if others < TOLD - 1 else 'many'} more)" if others else ""
        super().__init__(found[0].message + told)
        self.problems = tuple(found)


class ModelFileError(MLAssetsError):
    """A model file is missing, damaged, or not the one that was recorded at training time."""
