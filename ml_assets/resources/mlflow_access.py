"""MLflow at an address: its client, its files, and its errors in our words."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from ml_assets.core.errors import RegistryError
from ml_assets.resources.tracking import prepare_database, quiet_mlflow

if TYPE_CHECKING:
    from mlflow import MlflowClient


class MlflowAccess(dg.ConfigurableResource):  # type: ignore[type-arg]
    """MLflow's server or database."""

    tracking_uri: str

    @contextmanager
    def _opened(self) -> Iterator["MlflowClient"]:
        """A client, whose errors are told as the registry's."""
        quiet_mlflow()
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            prepare_database(self.tracking_uri)
            yield MlflowClient(self.tracking_uri, registry_uri=self.tracking_uri)
        except (MlflowException, SQLAlchemyError, OSError) as error:
            raise RegistryError(f"MLflow at {self.tracking_uri} {_trouble(error)}") from error

    def _downloaded(self, uri: str, directory: Path) -> Path:
        """A file or directory of MLflow's, copied below ``directory``."""
        with self._opened():
            import mlflow

            mlflow.set_tracking_uri(self.tracking_uri)
            return Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(directory)))


def _trouble(error: Exception) -> str:
    """What is wrong with MLflow, and what to do."""
    from requests import RequestException

    if isinstance(error.__context__, RequestException):
        return "does not answer; start the platform with make up, and see make status"
    return (
        f"can't do that: {error}; check that it runs, that its files are there, and that the disk "
        "has room"
    )


def all_pages(search: Callable[..., Any]) -> list[Any]:
    """What a search of MLflow finds, on however many pages."""
    page = search()
    found = list(page)
    while page.token:
        page = search(page_token=page.token)
        found += page
    return found
