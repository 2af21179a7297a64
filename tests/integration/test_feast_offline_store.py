"""Our offline store beside Feast's own: the same rows for any keys."""

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from feast import FeatureStore
from feast.repo_config import RepoConfig
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_assets.core.names import KEYS
from ml_assets.core.spec import PipelineSpec
from ml_assets.feature_repo.definitions import entity, feature_view
from ml_assets.resources.feast import _repo_config
from tests.integration.feast_cases import START, forecast, table_of

MOMENTS = st.integers(0, 12 * 60).map(lambda minutes: START + pd.Timedelta(minutes=minutes))
"""Minutes around the events: late, early, exact, and beyond the time to live."""
ENTITIES = st.sampled_from(["1", "2", "11", ""])
VALUES = st.one_of(st.none(), st.floats(width=32))
EVENTS = st.dictionaries(
    st.tuples(ENTITIES, st.one_of(MOMENTS, MOMENTS.map(lambda moment: moment.floor("h")))),
    st.tuples(VALUES, VALUES),
    min_size=1,
    max_size=12,
)
ASKED = st.lists(
    st.tuples(
        st.sampled_from(["1", "2", "11", "", "unknown"]),
        st.one_of(MOMENTS, MOMENTS.map(lambda moment: moment.floor("h"))),
    ),
    min_size=1,
    max_size=12,
)
PAIR = PipelineSpec.model_validate(
    forecast("pair").model_dump()
    | {"features": {"columns": {"OT": {"lags": [0, 1]}}}, "columns": forecast().columns}
)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> "BothStores":
    """Our offline store and the stock one."""
    return BothStores(tmp_path_factory.mktemp("both"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning:ibis")
class TestAsofStore:
    """Our offline store beside the one that Feast brings."""

    @settings(max_examples=60, deadline=None)
    @given(events=EVENTS, asked=ASKED, ttl=st.sampled_from([timedelta(hours=2), timedelta(0)]))
    def test_joins_any_keys_as_the_stock_duckdb_store_does(
        self,
        both: "BothStores",
        events: dict[tuple[str, pd.Timestamp], tuple[float | None, float | None]],
        asked: list[tuple[str, pd.Timestamp]],
        ttl: timedelta,
    ) -> None:
        rows = [(*key, *values) for key, values in events.items()]
        table = pd.DataFrame(rows, columns=[*KEYS, *PAIR.feature_names])
        table = table.astype(dict.fromkeys(PAIR.feature_names, "Float32"))
        keys = pd.DataFrame(asked * 2, columns=KEYS)
        ours, stock = both.join(table, keys, ttl=ttl)
        pd.testing.assert_frame_equal(ours, stock, check_exact=True)

    def test_reads_a_file_that_holds_the_newest_of_several_creations_as_the_stock_store_does(
        self, both: "BothStores"
    ) -> None:
        table = table_of(PAIR, [("1", START)] * 3)
        table["created"] = START + pd.to_timedelta([2, 9, 5], unit="h")
        ours, stock = both.join(table, table[:1][KEYS], ttl=timedelta(0), created="created")
        assert ours["OT_lag_0"].tolist() == stock["OT_lag_0"].tolist() == [1.0]


class BothStores:
    """Our store and Feast's own over one registry."""

    def __init__(self, home: Path) -> None:
        self.path = home / "features.parquet"
        self.ours = _repo_config(home)
        self.stock = RepoConfig(
            project=self.ours.project,
            provider=self.ours.provider,
            registry=self.ours.registry.model_dump(),
            online_store=self.ours.online_store.model_dump(),
            offline_store={"type": "duckdb"},
            entity_key_serialization_version=3,
        )

    def join(
        self, table: pd.DataFrame, keys: pd.DataFrame, *, ttl: timedelta, created: str = ""
    ) -> list[pd.DataFrame]:
        """What either store joins to the keys, in the keys' order."""
        table.to_parquet(self.path, index=False)
        view = feature_view(PAIR, self.path)
        view.ttl = ttl
        assert view.batch_source
        view.batch_source.created_timestamp_column = created
        FeatureStore(config=self.ours).apply([entity(PAIR), view])
        names = [f"{view.name}:{name}" for name in PAIR.feature_names]
        asked = keys.assign(row=range(len(keys)))
        jobs = [
            FeatureStore(config=config).get_historical_features(asked.copy(), features=names)
            for config in (self.ours, self.stock)
        ]
        return [job.to_df().sort_values("row", ignore_index=True) for job in jobs]
