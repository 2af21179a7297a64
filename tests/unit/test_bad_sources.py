from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_assets.core.dataset.sources import Readings, read_source
from ml_assets.core.errors import DataError, SourceError
from ml_assets.core.spec import SourceSpec
from serving.runtime.spec import ColumnSpec

COLUMNS = ColumnSpec(target="OT", inputs=["HUFL"], timestamp="date", entity="transformer")
HEADER = "date,HUFL,OT\n"
FIRST = "2016-07-01 00:00:00,1,2\n"
FRACTIONS = FIRST + "2016-07-01 01:00:00.0,1,2\n"
HOURS = [f"2016-07-01 0{hour}:00:00" for hour in range(3)]


def read(uri: str | Path, *, timezone: str = "UTC") -> Readings:
    return read_source(SourceSpec(uri=str(uri), timezone=timezone), COLUMNS)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "a.csv is empty"),
        (" \n\n", "a.csv is empty"),
        (HEADER, "a.csv has a header but no rows"),
        (
            "date,hufl,OT\n",
            r"a.csv: column 'HUFL' is missing; did you mean 'hufl'\? The file has date",
        ),
        ("date;HUFL;OT\n", "a.csv: column 'date' is missing; its columns are separated by ';'"),
        ("date,HUFL,OT,OT\n", "a.csv: 2 columns are called 'OT'"),
        (
            FIRST + "2016-07-01 01:00:00,n/a,2\n",
            "a.csv, row 3, column 'HUFL': 'n/a' is not a number",
        ),
        (
            FIRST + '\n2016-07-01 01:00:00,1,"1,5"\n',
            "a.csv, row 4, column 'OT': '1,5' is not a number",
        ),
        (
            FIRST + "01.07.2016 01:00,1,2\n",
            "a.csv, row 3, column 'date': .* is not a timestamp; write",
        ),
        (FIRST + "2016-02-30 01:00,1,2\n", "a.csv, row 3, column 'date': .* is not a timestamp"),
        (
            FIRST + "2016-07-01 01:00Z,1,2\n",
            "a.csv, row 3, column 'date': .* has an offset, unlike",
        ),
        (
            FRACTIONS + "2016-07-01 02:00:00.5,1,2\n",
            "a.csv, row 4, column 'date': 2016-07-01 02:00:00.5 has a fraction of a second",
        ),
        (
            FIRST + "2016-07-01 02:00:00.000001,1,2\n2016-07-01 03:00:00,n/a,2\n",
            "a.csv, row 3, column 'date': '2016-07-01 02:00:00.000001' has a fraction of a second",
        ),
        (FIRST + "0016-07-01 01:00,1,2\n", "a.csv, row 3, column 'date': .* plausible year"),
        (FIRST + "2016-07-01 01:00:00,1\n", "a.csv, row 3: 2 cells, but the header has 3"),
        (FIRST + "2016-07-01 01:00:00,1,2,3\n", "a.csv, row 3: 4 cells, but the header has 3"),
        ("<!DOCTYPE html>", "a.csv is a web page"),
    ],
)
def test_a_wrong_csv_file_is_reported_with_its_place(tmp_path: Path, content: str, says: str):
    path = tmp_path / "a.csv"
    path.write_text(HEADER + content if content.startswith(FIRST) else content)
    with pytest.raises(DataError, match=says):
        read(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00", "neither CSV nor Parquet"),
        (b"\x1f\x8b\x08", "compressed with gzip"),
        (b"PK\x03\x04", "spreadsheet"),
        ("date,HUFL".encode("utf-16"), "UTF-16"),
        ("date,HUFL,Öl".encode("latin-1"), "the header is not UTF-8"),
        (
            b"date,HUFL,OT,transformer\n2016-07-01,1,2,\xd6\n",
            "row 2, column 'transformer': .* UTF-8",
        ),
    ],
)
def test_what_is_not_utf_8_text_is_named(tmp_path: Path, content: bytes, says: str):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"a.csv.* {says}"):
        read(path)


def test_the_first_bad_cell_is_found_far_down_in_a_file(tmp_path: Path):
    readings = read("simulated://transformers?entities=1&days=2000&missing=0").frame
    lines = readings.to_csv(index=False).splitlines()
    lines[40_000] = lines[40_000].replace(",1,", ",1,x", 1)
    (tmp_path / "a.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"row 40001, column 'HUFL': 'x.*' is not a number"):
        read(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("local", "says"),
    [("2016-03-27 02:30:00", "is skipped"), ("2016-10-30 02:30:00", "comes twice")],
)
def test_a_local_time_that_is_no_instant_is_refused(tmp_path: Path, local: str, says: str):
    (tmp_path / "a.csv").write_text(f"{HEADER}2016-01-01,1,2\n{local},1,2\n")
    with pytest.raises(
        DataError, match=f"a.csv, row 3, column 'date': {local} {says} .*Europe/Berlin"
    ):
        read(tmp_path / "a.csv", timezone="Europe/Berlin")


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"HUFL": ["1", None, "x"]}, "a.parquet, row 3, column 'HUFL': 'x' is not a number"),
        ({"HUFL": ["1", "2", "3"]}, "a.parquet, column 'HUFL': it holds string, not numbers"),
        (
            {"date": [*HOURS[:2], "noon"]},
            "a.parquet, row 3, column 'date': 'noon' is not a timestamp",
        ),
        ({"date": [1, 2, 3]}, "a.parquet, column 'date': it holds int64, not timestamps"),
        (
            {"transformer": [0.5, 1, 2]},
            "a.parquet, column 'transformer': it holds double, not text",
        ),
        ({"date": []}, "a.parquet has no rows"),
    ],
)
def test_a_wrong_parquet_column_is_reported(tmp_path: Path, columns: dict[str, list], says: str):
    table = {"date": HOURS, "HUFL": [1, 2, 3], "OT": [1, 2, 3]} | columns
    table = {name: values[: len(table["date"])] for name, values in table.items()}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=says):
        read(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    "times",
    [
        pa.array([0, None, 1], pa.timestamp("ms")),
        pa.array([0, None, 1], pa.timestamp("us", "Asia/Tokyo")),
        pa.array([0, None, 1], pa.timestamp("ns", "UTC")),
        pa.array([*HOURS[:2], "1970-01-01 00:00:00.001"]),
    ],
)
def test_a_fraction_of_a_second_in_parquet_is_refused(tmp_path: Path, times: pa.Array):
    table = pa.table({"date": times, "HUFL": [1, 2, 3], "OT": [1, 2, 3]})
    pq.write_table(table, tmp_path / "a.parquet")
    says = r"a.parquet, row 3, column 'date': 1970-01-01 00:00:00\.0*1 has a fraction of a second"
    with pytest.raises(DataError, match=says):
        read(tmp_path / "a.parquet")


def test_a_missing_parquet_column_is_named(tmp_path: Path):
    pq.write_table(pa.table({"date": HOURS, "HUFL": [1, 2, 3]}), tmp_path / "a.parquet")
    with pytest.raises(
        DataError, match=r"a.parquet: column 'OT' is missing; The file has date, HUFL"
    ):
        read(tmp_path / "a.parquet")


@pytest.mark.parametrize("damage", ["cut", "overwritten", "text"])
def test_a_damaged_parquet_file_is_refused(tmp_path: Path, damage: str):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"date": HOURS, "HUFL": [1, 2, 3], "OT": [1, 2, 3]}), path)
    content = path.read_bytes()
    overwritten = content[:8] + b"\xff" * 60 + content[68:]
    path.write_bytes({"cut": content[:-9], "overwritten": overwritten, "text": b"hello"}[damage])
    with pytest.raises(DataError, match=r"a.parquet is not Parquet, or damaged"):
        read(path)


def test_a_missing_file_is_named_with_the_nearest_one(tmp_path: Path):
    (tmp_path / "ETTh1.csv").write_text(HEADER + FIRST)
    with pytest.raises(
        SourceError, match=r"no such file: .*ETTh11.csv; did you mean .*/ETTh1.csv\?"
    ):
        read(tmp_path / "ETTh11.csv")


def test_a_missing_relative_path_says_where_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=f"no such file: data/a.csv; .* begins at {tmp_path}"):
        read("data/a.csv")


def test_a_glob_without_a_match_is_refused(tmp_path: Path):
    with pytest.raises(SourceError, match=r"no file matches .*/\*\.csv"):
        read(tmp_path / "*.csv")


def test_a_directory_is_refused(tmp_path: Path):
    with pytest.raises(SourceError, match=r"is not a file; name files, for example .*/\*\.csv"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("gopher://host/a.csv", "gopher://"),
        ("ftp://user:password@host/a.csv", "ftp://"),
        ("memory://a.csv", "memory://"),
        ("filecache::https://user:password@host/a.csv", "filecache::https://"),
        ("zip://a.csv::a.zip", "zip://"),
        ("https://host/a.csv::file:///a.csv", "'::'"),
    ],
)
def test_another_protocol_is_refused_with_the_ones_there_are(uri: str, problem: str):
    allowed = "file://, http://, https://, s3://, s3a://, simulated://, sklearn://"
    with pytest.raises(
        SourceError,
        match=rf"^{problem} can't be used in a source; name a path, a glob, or {allowed}$",
    ):
        read(uri)


def test_two_files_of_one_name_are_refused(tmp_path: Path):
    for name in ("north", "south"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "data.csv").write_text(HEADER + FIRST)
    with pytest.raises(DataError, match="files are entities, but data is there twice"):
        read(tmp_path / "*" / "data.csv")


def test_an_entitys_column_in_some_files_only_is_refused(tmp_path: Path):
    (tmp_path / "a.csv").write_text(HEADER + FIRST)
    (tmp_path / "b.csv").write_text("date,HUFL,OT,transformer\n2016-07-01,1,2,x\n")
    with pytest.raises(DataError, match="a has no column 'transformer', but other files have"):
        read(tmp_path / "*.csv")


def test_several_files_need_a_name_for_their_entities(tmp_path: Path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(HEADER + FIRST)
    columns = ColumnSpec(target="OT", inputs=["HUFL"], timestamp="date")
    with pytest.raises(DataError, match=r"names 2 files; give columns.entity a name"):
        read_source(SourceSpec(uri=f"{tmp_path}/*.csv"), columns)
