"""Feast's DuckDB offline store, with DuckDB's ASOF join as its point-in-time join."""

from collections.abc import Sequence

import ibis
import pandas as pd
from feast.data_source import DataSource
from feast.feature_view import FeatureView
from feast.infra.offline_stores.duckdb import (
    DuckDBOfflineStore,
    DuckDBOfflineStoreConfig,
    _read_data_source,
    _write_data_source,
)
from feast.infra.offline_stores.ibis import IbisRetrievalJob
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.infra.offline_stores.offline_utils import infer_event_timestamp_from_entity_df
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import RepoConfig
from ibis.expr import datatypes
from ibis.expr.types import Table
from pydantic import StrictStr

from ml_assets.core.errors import StateError


class AsofDuckDBOfflineStoreConfig(DuckDBOfflineStoreConfig):
    """The settings of Feast's DuckDB store; Feast looks this class up by its name."""

    type: StrictStr = "ml_assets.feature_repo.offline_store.AsofDuckDBOfflineStore"


class AsofDuckDBOfflineStore(DuckDBOfflineStore):
    """Feast's DuckDB store with a point-in-time join whose cost grows with the rows.

    Feast joins each key with every earlier row of its entity and ranks the matches, so that the
    cost grows with the square of an entity's rows. DuckDB's ASOF join finds the latest row at
    once. What it can't express (rows that replace each other by their creation time, on-demand
    views, renamed columns) is left to Feast's join.
    """

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str | None,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,  # noqa: FBT001, FBT002 (Feast's signature)
        filter_by_created_timestamp: bool = False,  # noqa: FBT001, FBT002
    ) -> RetrievalJob:
        """Feast's retrieval job, with an ASOF join wherever that gives the same rows.

        Raises:
            StateError: ``entity_df`` is not a data frame, the only thing that DuckDB's store joins.
        """
        if not isinstance(entity_df, pd.DataFrame):
            raise StateError("the DuckDB offline store joins features to a data frame of keys only")
        on_demand = OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry)
        if not full_feature_names and not on_demand and all(map(_suits_asof, feature_views)):
            return _asof_job(config, feature_views, feature_refs, entity_df)
        return DuckDBOfflineStore.get_historical_features(
            config=config,
            feature_views=feature_views,
            feature_refs=feature_refs,
            entity_df=entity_df,
            registry=registry,
            project=project,
            full_feature_names=full_feature_names,
            filter_by_created_timestamp=filter_by_created_timestamp,
        )


def _suits_asof(view: FeatureView) -> bool:
    source = _source(view)
    is_versioned = view.projection.version_tag is not None
    return not (source.created_timestamp_column or source.field_mapping or is_versioned)


def _source(view: FeatureView) -> DataSource:
    if view.batch_source is None:
        raise StateError(f"feature view {view.name!r} has no file to join from; apply it again")
    return view.batch_source


def _asof_job(
    config: RepoConfig, views: Sequence[FeatureView], references: list[str], keys: pd.DataFrame
) -> RetrievalJob:
    event = infer_event_timestamp_from_entity_df(dict(zip(keys.columns, keys.dtypes, strict=True)))
    keys = keys.assign(**{event: pd.to_datetime(keys[event], utc=True)})
    joined = ibis.memtable(keys)
    for view in views:
        prefix = f"{view.projection.name_alias or view.name}:"
        names = [ref.removeprefix(prefix) for ref in references if ref.startswith(prefix)]
        table = _read_data_source(_source(view), str(config.repo_path))
        joined = _join_latest(joined, table, view, names, event=event)
    return IbisRetrievalJob(
        joined,
        on_demand_feature_views=[],
        full_feature_names=False,
        metadata=RetrievalMetadata(
            features=references,
            keys=[name for name in keys.columns if name != event],
            min_event_timestamp=keys[event].min(),
            max_event_timestamp=keys[event].max(),
        ),
        data_source_writer=_write_data_source,
        staging_location=config.offline_store.staging_location,
        staging_location_endpoint_override=config.offline_store.staging_location_endpoint_override,
        repo_path=str(config.repo_path),
    )


def _join_latest(
    left: Table, table: Table, view: FeatureView, names: Sequence[str], *, event: str
) -> Table:
    """Adds the view's latest values that are not later than the key and not beyond the TTL."""
    join_keys = view.projection.join_key_map or {key.name: key.name for key in view.entity_columns}
    right = table.select(
        _event=table[_source(view).timestamp_field].cast(datatypes.Timestamp(timezone="UTC")),
        **{f"_key_{key}": table[key] for key in join_keys},
        **{f"_value_{name}": table[name] for name in names},
    )
    joined = left.asof_join(
        right,
        on=left[event] >= right["_event"],
        predicates=[left[key] == right[f"_key_{source}"] for source, key in join_keys.items()],
    )
    values = {name: joined[f"_value_{name}"] for name in names}
    if view.ttl:
        is_alive = joined["_event"] + ibis.literal(view.ttl) >= joined[event]
        values = {name: is_alive.ifelse(value, None) for name, value in values.items()}
    return joined.select(*left.columns, **values)
