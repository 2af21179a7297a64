import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml_assets.core.dataset.files import shown_uri
from ml_assets.core.dataset.snapshot import content_hash
from ml_assets.core.dataset.sources import Readings, read_source
from ml_assets.core.errors import SourceError
from ml_assets.core.spec import SourceSpec
from serving.runtime.spec import ColumnSpec

COLUMNS = ColumnSpec(target="OT", inputs=["HUFL"], timestamp="date", entity="transformer")
ROWS = "2016-07-01 00:00:00,1.5,30\n2016-07-01 01:00:00,,31\n"


def read(uri: str | Path, **settings: str) -> Readings:
    return read_source(SourceSpec(uri=str(uri), **settings), COLUMNS)


def write(path: Path, rows: str = ROWS, *, header: str = "date,HUFL,OT") -> Path:
    path.write_text(f"{header}\n{rows}")
    return path


def times(readings: Readings) -> list[str]:
    return readings.frame["date"].dt.strftime("%Y-%m-%d %H:%M:%S%z").tolist()


def test_a_csv_file_becomes_columns_of_the_documented_types(tmp_path: Path):
    frame = read(write(tmp_path / "a.csv")).frame
    types = {name: str(dtype) for name, dtype in frame.dtypes.items()}
    assert types == {
        "date": "datetime64[us, UTC]",
        "transformer": "string",
        "HUFL": "float64",
        "OT": "float64",
    }


def test_other_columns_of_the_file_are_left_out(tmp_path: Path):
    path = write(tmp_path / "a.csv", "x,1,2016-07-01,2\n", header="note,OT,date,HUFL")
    assert list(read(path).frame.columns) == ["date", "transformer", "HUFL", "OT"]


@pytest.mark.parametrize("spelling", ["", "NaN", "nan", "NA", "null"])
def test_an_empty_cell_is_a_missing_reading(tmp_path: Path, spelling: str):
    frame = read(write(tmp_path / "a.csv", f"2016-07-01,{spelling},2\n")).frame
    assert np.isnan(frame["HUFL"][0])


def test_a_file_without_the_entitys_column_is_one_entity_named_like_the_file(tmp_path: Path):
    assert set(read(write(tmp_path / "ETTh1.csv")).frame["transformer"]) == {"ETTh1"}


def test_a_glob_reads_each_file_as_one_entity_in_order_of_name(tmp_path: Path):
    for name in ("b.csv", "a.csv", ".hidden.csv"):
        write(tmp_path / name)
    readings = read(tmp_path / "*.csv")
    assert readings.frame["transformer"].tolist() == ["a", "a", "b", "b"]
    assert [Path(file.uri).name for file in readings.files] == ["a.csv", "b.csv"]


def test_a_glob_may_cross_directories_and_formats(tmp_path: Path):
    (tmp_path / "deep").mkdir()
    read(write(tmp_path / "a.csv")).frame.drop(columns="transformer").to_parquet(
        tmp_path / "deep" / "b.parquet"
    )
    assert set(read(tmp_path / "**" / "*.*").frame["transformer"]) == {"a", "b"}


def test_the_entitys_column_goes_before_the_files_name(tmp_path: Path):
    header = "date,HUFL,OT,transformer"
    write(tmp_path / "2016.csv", "2016-07-01,1,2,north\n", header=header)
    write(tmp_path / "2017.csv", "2017-07-01,1,2,north\n", header=header)
    assert read(tmp_path / "*.csv").frame["transformer"].tolist() == ["north", "north"]


def test_a_relative_path_and_a_file_url_name_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = write(tmp_path / "with space.csv")
    monkeypatch.chdir(tmp_path)
    assert read("with space.csv").files[0].sha256 == read(path.as_uri()).files[0].sha256


def test_a_name_with_brackets_is_a_file_before_it_is_a_glob(tmp_path: Path):
    assert len(read(write(tmp_path / "a[1].csv")).frame) == 2


@pytest.mark.parametrize("name", ["a?.csv", "a#1.csv"])
def test_a_file_url_may_hold_what_ends_a_path_on_the_web(tmp_path: Path, name: str):
    write(tmp_path / "a#1.csv")
    write(tmp_path / "ab.csv")
    found = {Path(file.uri).name for file in read(f"file://{tmp_path}/{name}").files}
    assert found == ({"ab.csv"} if "?" in name else {"a#1.csv"})


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("data/a?.csv", "data/a?.csv"),
        ("/data/a#1@home.csv", "/data/a#1@home.csv"),
        ("file:///data/a?.csv", "file:///data/a?.csv"),
        ("simulated://transformers?days=9&seed=7", "simulated://transformers?days=9&seed=7"),
        ("https://user:pass@host/a.csv?key=1#top", "https://host/a.csv"),
        ("http://user:p@ss@host:80/a@b.csv", "http://host:80/a@b.csv"),
        ("https://host?key=a/b@c", "https://host"),
        ("s3://key:secret@bucket/a.csv?token=a/b=", "s3://bucket/a.csv"),
        ("s3a://bucket/a?.csv", "s3a://bucket/a?.csv"),
        ("s3://bucket/year=2016/a?/month=1/a#1.csv", "s3://bucket/year=2016/a?/month=1/a#1.csv"),
    ],
)
def test_a_uri_is_shown_without_secrets_but_else_as_it_is(uri: str, shown: str):
    assert shown_uri(uri) == shown


def test_the_simulator_is_named_with_its_settings():
    uri = "simulated://transformers?entities=1&days=2"
    assert [file.uri for file in read(uri).files] == [uri]


def test_a_file_has_its_sha256_and_rows(tmp_path: Path):
    path = write(tmp_path / "a.csv")
    (file,) = read(path).files
    assert (file.sha256, file.rows) == (hashlib.sha256(path.read_bytes()).hexdigest(), 2)


def test_the_right_sha256_is_accepted(tmp_path: Path):
    path = write(tmp_path / "a.csv")
    assert len(read(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest()).frame) == 2


def test_a_wrong_sha256_is_refused_before_the_content_is_looked_at(tmp_path: Path):
    path = write(tmp_path / "a.csv", "no rows of this model")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(
        SourceError, match=rf"a\.csv: wrong sha256: expected {'0' * 64}, got {found}"
    ):
        read(path, sha256="0" * 64)


def test_a_sha256_for_several_files_is_refused(tmp_path: Path):
    write(tmp_path / "a.csv")
    write(tmp_path / "b.csv")
    with pytest.raises(SourceError, match=r"sha256 is given for one file, but .* names 2"):
        read(tmp_path / "*.csv", sha256="0" * 64)


def test_times_without_an_offset_are_local_times(tmp_path: Path):
    readings = read(write(tmp_path / "a.csv"), timezone="Europe/Berlin")
    assert times(readings) == ["2016-06-30 22:00:00+0000", "2016-06-30 23:00:00+0000"]


def test_times_with_an_offset_do_not_depend_on_the_time_zone(tmp_path: Path):
    rows = "2016-07-01T00:00:00+02:00,1,2\n2016-06-30 23:00:00Z,1,2\n"
    readings = read(write(tmp_path / "a.csv", rows), timezone="Asia/Tokyo")
    assert times(readings) == ["2016-06-30 22:00:00+0000", "2016-06-30 23:00:00+0000"]


def test_csv_and_parquet_of_the_same_rows_have_the_same_content(tmp_path: Path):
    csv = read(write(tmp_path / "a.csv")).frame
    csv.to_parquet(tmp_path / "zstd.parquet", compression="zstd", row_group_size=1)
    naive = csv.assign(date=csv["date"].dt.tz_localize(None).astype("datetime64[ns]"))
    naive.to_parquet(tmp_path / "naive.parquet")
    as_text = csv.assign(
        date=csv["date"].astype(str), transformer=csv["transformer"].astype("category")
    )
    as_text.to_parquet(tmp_path / "text.parquet")
    hashes = {content_hash(read(path).frame) for path in tmp_path.iterdir()}
    assert hashes == {content_hash(csv)}


def test_line_ends_quotes_and_byte_order_mark_make_no_difference(tmp_path: Path):
    plain = read(write(tmp_path / "a.csv")).frame
    quoted = 'date,"HUFL",OT\r\n"2016-07-01 00:00:00","1.5",30\r\n2016-07-01 01:00:00,, 31\r\n'
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "a.csv").write_bytes(b"\xef\xbb\xbf" + quoted.encode())
    assert content_hash(read(tmp_path / "b" / "a.csv").frame) == content_hash(plain)


def test_a_row_is_counted_as_an_editor_counts_lines(tmp_path: Path):
    path = write(tmp_path / "a.csv", "\n2016-07-01 00:00:00,1,2\n\n\n2016-07-01 01:00:00,1,2\n")
    readings = read(path)
    assert [readings.place(row) for row in (0, 1)] == [f"{path}, row 3", f"{path}, row 6"]


def test_the_simulator_is_a_source():
    readings = read("simulated://transformers?entities=2&days=10&missing=0")
    assert readings.frame.groupby("transformer").size().to_dict() == {"1": 240, "2": 240}
    assert list(readings.frame.columns) == ["date", "transformer", "HUFL", "OT"]


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("simulated://transformers?entity=2", "unknown parameter 'entity'; the parameters are"),
        ("simulated://transformers?days=2&days=3", "gives 'days' more than once"),
        ("simulated://wind", "unknown simulator .* simulated://transformers"),
        ("sklearn://digits", "the bundled one is sklearn://iris"),
    ],
)
def test_a_built_in_source_that_does_not_exist_is_refused(uri: str, says: str):
    with pytest.raises(SourceError, match=says):
        read(uri)


def test_iris_has_its_four_lengths_and_the_name_of_the_species():
    inputs = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    columns = ColumnSpec(target="species", inputs=inputs)
    frame = read_source(SourceSpec(uri="sklearn://iris"), columns, task="classification").frame
    assert frame.columns.tolist() == [*inputs, "species"]
    assert frame.groupby("species").size().to_dict() == dict.fromkeys(
        ["setosa", "versicolor", "virginica"], 50
    )
    assert frame.loc[0, inputs].tolist() == [5.1, 3.5, 1.4, 0.2]


def test_the_target_of_a_classification_is_text_even_if_it_looks_like_numbers(tmp_path: Path):
    columns = ColumnSpec(target="label", inputs=["x"])
    path = write(tmp_path / "a.csv", "1,0\n2,1\n", header="x,label")
    frame = read_source(SourceSpec(uri=str(path)), columns, task="classification").frame
    assert frame["label"].tolist() == ["0", "1"]


def test_a_table_survives_being_written_as_csv(tmp_path: Path):
    path = tmp_path / "a.csv"
    expected = read("simulated://transformers?entities=3&days=200").frame
    expected.to_csv(path, index=False)
    frame = read(path).frame
    pd.testing.assert_frame_equal(frame, expected)
