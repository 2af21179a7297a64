"""The libraries that read a model's file, and whether those here are the ones it was made with."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated

from pydantic import Field

from serving.runtime.errors import ModelFileError

Version = Annotated[str, Field(pattern=r"^\d+(\.|$)")]

MODULES: Mapping[str, str] = {"scikit-learn": "sklearn", "skops": "skops", "xgboost": "xgboost"}
"""What each library is imported as; a model's manifest can't make a service import another one."""


def library_version(name: str) -> str:
    """The version of one of `MODULES` that is installed here, such as "3.2.0".

    Raises:
        ModelFileError: A model can't need such a library, or it is not installed.
    """
    if name not in MODULES:
        raise ModelFileError(
            f"a model can't need {name!r}, only {', '.join(MODULES)}; fetch the model again"
        )
    try:
        return str(import_module(MODULES[name]).__version__)
    except ImportError as error:
        raise ModelFileError(
            f"the model needs {name}, which is not installed; install it"
        ) from error


@contextmanager
def absent(*names: str) -> Iterator[None]:
    """Lets packages seem not to be installed in the block; those imported before it stay."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None forbids an import
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def check_libraries(fitted_with: Mapping[str, str], *, source: str) -> None:
    """Checks that no library here is of another major version than the one a model was made with.

    Args:
        fitted_with: Version by library.
        source: What the model is called in messages.

    Raises:
        ModelFileError: One is of another major version, or missing; the message names both.
    """
    for name, wanted in fitted_with.items():
        found = library_version(name)
        if _major(found) != _major(wanted):
            raise ModelFileError(
                f"{source} was fitted with {name} {wanted}, but {name} {found} is installed here, "
                "and another major version may read its file in another way; install "
                f"{name} {_major(wanted)}, or train the model again with {name} {found}"
            )


def _major(version: str) -> str:
    return version.partition(".")[0]
