"""The feature store: point-in-time joins for training, latest features for serving, by Feast."""

import contextlib
import io
import json
import logging
import os
import sqlite3
import string
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from pydantic import Field

from ml_assets.core.errors import DataError, StateError
from ml_assets.core.names import EVENT_TIMESTAMP, KEYS
from ml_assets.core.spec import PipelineSpec
from ml_assets.resources.files import told_plainly
from serving.runtime.feature_store import JOIN_KEY

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView, RepoConfig

logger = logging.getLogger(__name__)

REPOSITORY = Path(__file__).parents[1] / "feature_repo"
LOCK_SECONDS = 60
ROW = "__row"
"""Column that carries a key's place through the join, which returns rows in any order."""


class FeatureStoreResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """A thin face of Feast: what the pipeline needs and nothing else.

    Every method opens the store anew, as `feature_repo/feature_store.yaml` describes it.
    They raise StateError where the store can't be used: no space, no permission, a damaged file.
    """

    home: str = Field(description="Directory of the registry and of the online store.")

    def apply(self, spec: PipelineSpec, features_path: Path) -> str:
        """Registers the model's entity and feature view, and makes its online table.

        Args:
            spec: The model.
            features_path: Parquet with the columns ``entity``, ``event_timestamp`` and the
                model's features.

        Returns:
            The name of the feature view.

        Raises:
            DataError: The file lacks one of the columns.
        """
        _check_columns(spec, features_path)
        with self._opened() as store:
            from ml_assets.feature_repo import definitions

            view = definitions.feature_view(spec, features_path)
            with self._writing():
                store.apply([definitions.entity(spec), view])
            return str(view.name)

    def training_join(self, spec: PipelineSpec, keys: pd.DataFrame) -> pd.DataFrame:
        """The features as they were known at each key's time.

        A key gets the latest feature row of its entity that is neither later than the key nor
        older than two steps, and NaN where there is none.

        Args:
            spec: The model.
            keys: ``entity`` (string), ``event_timestamp`` (UTC), and any other columns.

        Returns:
            Row by row what ``keys`` holds: entity and time, the features (float32), the other
            columns; with a new index.

        Raises:
            StateError: The features were never applied.
        """
        names = list(spec.feature_names)
        with self._opened() as store:
            view = _applied_view(store, spec)
            joined = store.get_historical_features(
                keys[KEYS].assign(**{ROW: np.arange(len(keys))}),
                features=[f"{view.name}:{name}" for name in names],
            ).to_arrow()
        features = pd.DataFrame(_in_order(joined, names), columns=names, copy=False)
        keys = keys.reset_index(drop=True)
        return pd.concat([keys[KEYS], features, keys.drop(columns=KEYS)], axis=1, copy=False)

    def materialize(self, spec: PipelineSpec, features_path: Path) -> int:
        """Applies the features and writes the latest row of each entity to the online store.

        Returns:
            The number of entities written.

        Raises:
            DataError: The file has no rows, or lacks one of the columns.
        """
        name = self.apply(spec, features_path)
        keys = pq.read_table(features_path, columns=KEYS)
        if not keys.num_rows:
            raise DataError(f"{features_path} has no rows, so there are no latest features")
        span = pc.min_max(keys[EVENT_TIMESTAMP]).as_py()
        with self._opened() as store:
            store.materialize(span["min"], span["max"], feature_views=[name])
        return int(pc.count_distinct(keys[JOIN_KEY]).as_py())

    def read_online(self, spec: PipelineSpec, entities: Sequence[str]) -> pd.DataFrame:
        """The latest features of each entity, as a service would read them.

        Feast returns a row however old it is: compare ``event_timestamp`` with the age that the
        use allows. Its SQLite store keeps local time, so that an event in the hour that the host's
        clocks skip in spring comes back an hour late; a host on UTC has no such hour.

        Returns:
            ``entity``, ``event_timestamp`` (UTC, whole seconds) and the features as float32, in
            the order of ``entities``; NaT and NaN for an entity that was never materialised.

        Raises:
            StateError: The features were never applied.
        """
        names = list(spec.feature_names)
        with self._opened() as store:
            view = _applied_view(store, spec)
            answer = store.get_online_features(
                features=[f"{view.name}:{name}" for name in names],
                entity_rows=[{JOIN_KEY: entity} for entity in entities],
            ).to_dict(include_event_timestamps=True)
        features = pd.DataFrame({name: answer[name] for name in names}, dtype=np.float32)
        times = pd.to_datetime(answer[f"{names[0]}__ts"], unit="s", utc=True).as_unit("us")
        features.insert(0, JOIN_KEY, list(entities))
        features.insert(1, EVENT_TIMESTAMP, times.where(features[names[0]].notna()))
        return features

    def register_service(self, spec: PipelineSpec, version: int) -> str:
        """Records which features a model version needs; it keeps them when the spec changes.

        Returns:
            The name of the feature service, ``<model>_v<version>``.

        Raises:
            StateError: The features were never applied.
        """
        with self._opened() as store:
            from ml_assets.feature_repo import definitions

            view = _applied_view(store, spec)
            service = definitions.feature_service(spec, view, version=version)
            with self._writing():
                store.apply([service])
            return str(service.name)

    @contextlib.contextmanager
    def _opened(self) -> Iterator["FeatureStore"]:
        home = Path(self.home).resolve()
        with _kept_quiet(), _told_plainly(home):
            from feast import FeatureStore

            home.mkdir(parents=True, exist_ok=True)
            store = FeatureStore(config=_repo_config(home))
            with self._writing():
                store.registry  # noqa: B018  the first look makes its tables
            yield store

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """One process at a time: Feast looks what the registry lacks and then adds it."""
        lock = FileLock(Path(self.home).resolve() / ".registry.lock", timeout=LOCK_SECONDS)
        try:
            lock.acquire()
        except Timeout:
            raise StateError(
                f"another process has kept the feature registry busy for {LOCK_SECONDS} s "
                f"({lock.lock_file}); end it, or try again when it has ended"
            ) from None
        try:
            yield
        finally:
            lock.release()


def _repo_config(home: Path) -> "RepoConfig":
    """Reads feature_store.yaml; what the environment leaves open becomes SQLite in ``home``."""
    from feast import RepoConfig

    online = {"type": "sqlite", "path": str(home / "online.db")}
    embedded = {
        "FEAST_REGISTRY": f"sqlite:///{home / 'registry.db'}",
        "FEAST_ONLINE_STORE": json.dumps(online),
    }
    text = string.Template((REPOSITORY / "feature_store.yaml").read_text())
    config = RepoConfig(**yaml.safe_load(text.safe_substitute({**embedded, **os.environ})))
    config.repo_path = REPOSITORY
    return config


def _applied_view(store: "FeatureStore", spec: PipelineSpec) -> "FeatureView":
    from feast.errors import FeatureViewNotFoundException

    try:
        return store.get_feature_view(spec.feature_view)
    except FeatureViewNotFoundException:
        raise StateError(
            f"the feature store does not know the features of {spec.name!r} as its YAML file "
            f"describes them; materialise {spec.name}/features first"
        ) from None


def _in_order(joined: pa.Table, names: Sequence[str]) -> NDArray[np.float32]:
    """The features of a join by its keys' places, one column after the other in memory."""
    order = np.argsort(joined[ROW].to_numpy())
    columns = np.empty((len(names), len(order)), np.float32)
    for name, column in zip(names, columns, strict=True):
        column[:] = joined[name].to_numpy()[order]
    return columns.T


def _check_columns(spec: PipelineSpec, features_path: Path) -> None:
    if not features_path.exists():
        raise StateError(f"{features_path} does not exist; materialise {spec.name}/features first")
    present = set(pq.read_schema(features_path).names)
    missing = [name for name in (*KEYS, *spec.feature_names) if name not in present]
    if missing:
        raise DataError(f"{features_path} has no column {missing[0]!r}")


@contextlib.contextmanager
def _told_plainly(home: Path) -> Iterator[None]:
    """Turns errors of the databases and files below ``home`` into a StateError."""
    import duckdb
    import psycopg
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with told_plainly(home):
            yield
    except (sqlite3.Error, psycopg.Error, SQLAlchemyError, duckdb.Error) as error:
        raise StateError(f"the feature store in {home} can't be used: {error}") from error


@contextlib.contextmanager
def _kept_quiet() -> Iterator[None]:
    """Sends what Feast prints to the debug log and drops deprecations inside its libraries."""
    printed = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(printed):
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            yield
        finally:
            logger.debug("feast: %s", printed.getvalue())
