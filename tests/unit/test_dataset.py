from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml_assets.core.dataset.report import describe
from ml_assets.core.dataset.snapshot import content_hash, validate
from ml_assets.core.dataset.sources import Readings, read_source
from ml_assets.core.errors import DataError
from ml_assets.core.spec import SourceSpec
from serving.runtime.spec import ColumnSpec, ForecastSpec

COLUMNS = ColumnSpec(
    target="OT",
    inputs=["HUFL"],
    timestamp="date",
    entity="transformer",
    ranges={"OT": (-20, 60), "HUFL": (-50, 50)},
)
FORECAST = ForecastSpec(horizon=1, lookback=2)
NOW = datetime(2016, 7, 2, tzinfo=UTC)
Row = tuple[str, str, str, str]


def rows(entity: str, *hours: int, load: str = "1", oil: str = "30") -> list[Row]:
    return [(f"2016-07-01 {hour:02}:00:00", entity, load, oil) for hour in hours]


def readings(directory: Path, *files: list[Row]) -> Readings:
    for number, content in enumerate(files):
        lines = ["date,transformer,HUFL,OT", *(",".join(row) for row in content)]
        (directory / f"{number}.csv").write_text("\n".join(lines) + "\n")
    return read_source(SourceSpec(uri=f"{directory}/*.csv"), COLUMNS)


def dataset(directory: Path, *files: list[Row]) -> pd.DataFrame:
    return validate(readings(directory, *files), columns=COLUMNS, forecast=FORECAST)


def test_rows_are_sorted_by_entity_then_time(tmp_path: Path):
    interleaved = [row for hour in range(3) for row in rows("2", hour) + rows("10", hour)]
    frame = dataset(tmp_path, interleaved)
    assert frame["transformer"].tolist() == ["10"] * 3 + ["2"] * 3
    assert frame["date"].dt.hour.tolist() == [0, 1, 2, 0, 1, 2]
    assert frame.index.tolist() == list(range(6))


def test_an_entity_may_be_spread_over_files_in_any_order(tmp_path: Path):
    frame = dataset(tmp_path, rows("a", 3, 4), rows("a", 0, 1, 2))
    assert frame["date"].dt.hour.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (rows("a", 0, 1, 1, 2), r"0\.csv, row 4, column 'date': 2016-07-01 01:00:00 UTC .* twice"),
        (rows("a", 0, 2, 1, 3), r"0\.csv, row 4, column 'date': .* 01:00:00 UTC is earlier"),
        (
            rows("a", 0, 1) + rows("a", 2, oil="inf"),
            r"0\.csv, row 4, column 'OT': inf is not a fin",
        ),
        (rows("a", 0, 1, 2, oil=""), r"0\.csv, column 'OT' is empty in every row"),
        (rows("a", 0, 1) + rows("", 2), r"0\.csv, row 4, column 'transformer': it is empty"),
        ([*rows("a", 0, 1), ("", "a", "1", "1")], r"0\.csv, row 4, column 'date': it is empty"),
        (
            [*rows("a", 0, 1), ("2016-07-01 01:30:00", "a", "1", "1")],
            r"0\.csv, row 4, column 'date': .* 01:30:00 UTC is no multiple of 1h after the first",
        ),
        (rows("a", 0, 1, 2) + rows("b", 0, 1), r"0\.csv, row 5: entity 'b' has 2 rows, but lookb"),
    ],
)
def test_a_broken_rule_is_reported_with_its_place(tmp_path: Path, content: list[Row], says: str):
    with pytest.raises(DataError, match=says):
        dataset(tmp_path, content)


def test_the_same_reading_in_two_files_is_reported_in_the_second(tmp_path: Path):
    with pytest.raises(
        DataError, match=r"1\.csv, row 2, column 'date': .* 02:00:00 UTC is there tw"
    ):
        dataset(tmp_path, rows("a", 0, 1, 2), rows("a", 2, 3))


def test_entities_may_share_a_timestamp(tmp_path: Path):
    # One begins at the very time at which the other ends.
    assert len(dataset(tmp_path, rows("a", 0, 1, 2) + rows("b", 2, 3, 4))) == 6


def test_an_empty_timestamp_is_one_problem_and_hides_no_other(tmp_path: Path):
    empty = ("", "a", "1", "30")
    with pytest.raises(DataError) as caught:
        dataset(tmp_path, [*rows("a", 0, 1), empty, *rows("a", 3, 3)])
    lines = str(caught.value).splitlines()
    assert [line.partition("0.csv, ")[2][:6] for line in lines] == ["row 4,", "row 6,"]


def test_at_most_five_problems_are_listed_in_the_order_of_the_rows(tmp_path: Path):
    content = rows("a", 0, 1) + rows("a", *range(2, 20), load="inf", oil="-inf")
    with pytest.raises(DataError) as caught:
        dataset(tmp_path, content)
    lines = str(caught.value).splitlines()
    assert [line.partition("0.csv, ")[2].partition(":")[0] for line in lines] == [
        "row 4, column 'HUFL'",
        "row 4, column 'OT'",
        "row 5, column 'HUFL'",
        "row 5, column 'OT'",
        "row 6, column 'HUFL'",
    ]


def test_a_missing_reading_is_allowed(tmp_path: Path):
    frame = dataset(tmp_path, rows("a", 0, 1) + rows("a", 2, load=""))
    assert np.isnan(frame["HUFL"].iloc[2])


def test_a_table_without_timestamps_keeps_its_order():
    columns = ColumnSpec(target="species", inputs=["petal_width", "sepal_width"])
    table = read_source(SourceSpec(uri="sklearn://iris"), columns, task="classification")
    pd.testing.assert_frame_equal(validate(table, columns=columns, forecast=None), table.frame)


def test_the_order_of_files_and_entities_does_not_change_the_hash(tmp_path: Path):
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    one = dataset(tmp_path / "one", rows("a", 0, 1, 2), rows("b", 0, 1, 2))
    other = dataset(tmp_path / "other", rows("b", 0, 1, 2) + rows("a", 0, 1, 2))
    assert content_hash(one) == content_hash(other)


def test_the_report_counts_rows_entities_and_missing_cells(tmp_path: Path):
    frame = dataset(tmp_path, rows("a", 0, 1, 2), rows("b", 0, 1) + rows("b", 2, load=""))
    report = describe(frame, columns=COLUMNS, forecast=FORECAST, now=NOW)
    assert (report.rows, report.entities, report.duplicates) == (6, 2, 0)
    assert report.missing == {"date": 0, "transformer": 0, "HUFL": 1, "OT": 0}
    assert report.types == {
        "date": "timestamp[us, tz=UTC]",
        "transformer": "text",
        "HUFL": "float64",
        "OT": "float64",
    }


def test_the_report_says_how_old_the_newest_reading_is(tmp_path: Path):
    report = describe(
        dataset(tmp_path, rows("a", 0, 1, 2)), columns=COLUMNS, forecast=FORECAST, now=NOW
    )
    assert (report.first, report.last) == (
        datetime(2016, 7, 1, 0, tzinfo=UTC),
        datetime(2016, 7, 1, 2, tzinfo=UTC),
    )
    assert report.age_hours == 22


def test_the_report_finds_the_gaps_of_each_entity(tmp_path: Path):
    frame = dataset(tmp_path, rows("a", 0, 1, 3, 9, 10), rows("b", 15, 16, 17))
    gaps = describe(frame, columns=COLUMNS, forecast=FORECAST, now=NOW).gaps
    assert [(gap.entity, gap.gaps, gap.missing_steps, gap.longest_steps) for gap in gaps] == [
        ("a", 2, 6, 5),
        ("b", 0, 0, 0),
    ]
    assert gaps[0].longest_after == datetime(2016, 7, 1, 3, tzinfo=UTC)
    assert gaps[1].longest_after is None


def test_the_report_finds_values_out_of_range_and_the_first_of_them(tmp_path: Path):
    hot = (
        rows("a", 0, 1) + rows("a", 2, oil="61") + rows("a", 3, oil="-21") + rows("a", 4, oil="60")
    )
    report = describe(dataset(tmp_path, hot), columns=COLUMNS, forecast=FORECAST, now=NOW)
    oil, load = report.out_of_range
    assert (oil.column, oil.rows, oil.first_value) == ("OT", 2, 61)
    assert oil.first_place == "a, 2016-07-01 02:00:00+00:00"
    assert (load.rows, load.first_value, load.first_place) == (0, None, "")


def test_the_report_counts_duplicates_of_a_table_that_was_not_validated(tmp_path: Path):
    frame = readings(tmp_path, rows("a", 0, 1, 1, 1) + rows("b", 1, 2)).frame
    assert describe(frame, columns=COLUMNS, forecast=FORECAST, now=NOW).duplicates == 2


def test_the_report_of_a_table_without_timestamps_has_neither_gaps_nor_age():
    columns = ColumnSpec(target="species", inputs=["petal_width"], ranges={"petal_width": (0.2, 9)})
    frame = read_source(SourceSpec(uri="sklearn://iris"), columns, task="classification").frame
    report = describe(frame, columns=columns, forecast=None, now=NOW)
    assert (report.first, report.last, report.age_hours, report.gaps) == (None, None, None, ())
    assert report.out_of_range[0].first_place == "row 10"
