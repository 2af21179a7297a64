"""Errors of ours as Dagster's failures: the reason alone, and no second try at the same thing."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from serving.runtime.errors import MLAssetsError


@contextmanager
def failing_plainly() -> Iterator[None]:
    """Turns an error of ours into a failure of the step that says what the error says.

    Raises:
        dagster.Failure: The block raised an `MLAssetsError`.
    """
    try:
        yield
    except MLAssetsError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
