"""Whatever is wrong with the input: one clear message, exit status 1, and nothing has changed."""

import socket
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from ml_assets.core.dataset.simulator import simulate
from tests.integration.workplace import SIMULATED, TRANSFORMER, Workplace

Change = Callable[[pd.DataFrame], pd.DataFrame]
ROWS = 400
TEXT_ROW, TEXT_LINE = 10, 12


@pytest.fixture(scope="module")
def readings() -> pd.DataFrame:
    """Every hour of one transformer, just enough for a forecast."""
    simulated = simulate(entities=1, days=30, seed=3)
    hourly = simulated.set_index("date").asfreq("h").ffill().reset_index()
    return hourly.head(ROWS)


def _text(readings: pd.DataFrame) -> pd.DataFrame:
    column = readings["HUFL"].astype(object)
    column.iloc[TEXT_ROW] = "broken"
    return readings.assign(HUFL=column)


def _duplicate(readings: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([readings.head(5), readings.iloc[4:]])


def _unordered(readings: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([readings.iloc[1:3], readings.head(1), readings.iloc[3:]])


def _rejected(place: Workplace, *arguments: str) -> str:
    """Runs the main job; returns its message once it is sure that nothing has changed."""
    before = place.kept(TRANSFORMER)
    ended = place.run(*arguments)
    assert ended.status == 1
    assert place.kept(TRANSFORMER) == before
    assert ended.printed.count("error:") == 1
    assert "Traceback" not in ended.printed
    return ended.printed.partition("error: ")[2]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda table: table.rename(columns={"OT": "ot"}), ": column 'OT' is missing; did you"),
        (lambda table: table.drop(columns="MULL"), ": column 'MULL' is missing;"),
        (_text, f", row {TEXT_LINE}, column 'HUFL': 'broken' is not a number"),
        (_duplicate, ", row 7, column 'date': 2016-07-01 04:00:00 UTC is there twice"),
        (_unordered, ", row 4, column 'date': 2016-07-01 00:00:00 UTC is earlier than the row"),
        (lambda table: table.head(359), ", row 2: entity '1' has 359 rows, but lookback (336)"),
        (lambda table: table.head(0), " has a header but no rows"),
    ],
    ids=["wrong column", "missing column", "text", "duplicate", "unordered", "too few", "no rows"],
)
def test_wrong_table_is_told_with_file_column_and_row(
    promoted: Workplace, readings: pd.DataFrame, tmp_path: Path, change: Change, says: str
) -> None:
    path = tmp_path / "readings.csv"
    change(readings).to_csv(path, index=False)
    message = _rejected(promoted, TRANSFORMER, "--source", str(path))
    assert message.startswith(f"dataset: {path}{says}")


def test_missing_file_is_named(promoted: Workplace, tmp_path: Path) -> None:
    path = tmp_path / "nowhere.csv"
    message = _rejected(promoted, TRANSFORMER, "--source", str(path))
    assert message.startswith(f"dataset: no such file: {path}")


def test_empty_file_is_named(promoted: Workplace, tmp_path: Path) -> None:
    path = tmp_path / "readings.csv"
    path.touch()
    message = _rejected(promoted, TRANSFORMER, "--source", str(path))
    assert message.startswith(f"dataset: {path} is empty")


def test_server_that_does_not_answer_is_named(promoted: Workplace) -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/readings.csv"
        message = _rejected(promoted, TRANSFORMER, "--source", url)
    assert message.startswith(f"dataset: {url} can't be reached: ")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"sha256": "0" * 64}, "wrong sha256: expected 000"),
        ({"sha256": "abc"}, "dataset: sha256 of this run: String should match pattern"),
        (
            {"timezone": "Mars/Olympus"},
            "dataset: timezone of this run: unknown time zone 'Mars",
        ),
        (
            {"surce": "x.csv"},
            "run.yaml: there is no entry 'surce'; you may mean 'source'; the entries",
        ),
        ({"xyz": 1}, "run.yaml: there is no entry 'xyz'; the entries are source, sha256, timezone"),
        ({"log_level": "LOUD"}, "log_level not in enum type LogLevel got LOUD"),
        ("source", "run.yaml holds no entries such as 'source: readings.csv'"),
    ],
    ids=["sha256", "no sha256", "time zone", "near entry", "unknown entry", "level", "no entries"],
)
def test_wrong_run_yaml_is_told_by_its_entry(
    promoted: Workplace, readings: pd.DataFrame, tmp_path: Path, content: object, says: str
) -> None:
    path = tmp_path / "readings.csv"
    readings.to_csv(path, index=False)
    given = {"source": str(path), **content} if isinstance(content, dict) else content
    config = tmp_path / "run.yaml"
    config.write_text(yaml.safe_dump(given))
    assert says in _rejected(promoted, TRANSFORMER, "--config", str(config))


def test_unknown_parameter_leaves_the_aliases(promoted: Workplace, tmp_path: Path) -> None:
    before = promoted.kept(TRANSFORMER).aliases
    config = tmp_path / "run.yaml"
    config.write_text(yaml.safe_dump({"source": SIMULATED, "parameters": {"max_dept": 3}}))
    ended = promoted.run(TRANSFORMER, "--config", str(config))
    assert ended.status == 1
    assert "error: model: xgboost has no parameter 'max_dept'" in ended.printed
    assert promoted.kept(TRANSFORMER).aliases == before


def test_run_yaml_that_is_not_there_is_named(promoted: Workplace, tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    message = _rejected(promoted, TRANSFORMER, "--config", str(config))
    assert message == f"{config} can't be read: No such file or directory\n"


def test_run_yaml_that_is_not_yaml_is_told_with_its_line(
    promoted: Workplace, tmp_path: Path
) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("trials: 3\nsource: {")
    message = _rejected(promoted, TRANSFORMER, "--config", str(config))
    assert message.startswith(f"{config} is not YAML: ")
    assert f'in "{config}", line 2' in message


def test_unknown_model_is_told_with_the_models_there_are(promoted: Workplace) -> None:
    message = _rejected(promoted, "iirs")
    assert message == "there is no model 'iirs'; the models are iris, transformer_temperature\n"


def test_good_run_right_after_a_bad_one_promotes(promoted: Workplace, tmp_path: Path) -> None:
    before = promoted.version(TRANSFORMER).version
    _rejected(promoted, TRANSFORMER, "--source", str(tmp_path / "nowhere.csv"))
    assert promoted.execute(TRANSFORMER, source=SIMULATED).success
    assert promoted.version(TRANSFORMER).version > before
