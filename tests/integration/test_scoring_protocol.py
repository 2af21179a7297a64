"""`/invocations` and MLflow's own scoring server, asked the same."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import mlflow
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.pyfunc import scoring_server

from ml_assets.core.training.fitting import fit, save
from ml_assets.resources.model_log import log_bundle
from serving.runtime.model import Model
from tests.unit.http_cases import client_of
from tests.unit.model_cases import diabetes, forecast_model, iris

JSON, CSV = "application/json", "text/csv"
ROWS = 30
Data = dict[str, list[Any]]
Draw = Callable[..., Any]


@dataclass(frozen=True)
class Servers:
    """MLflow's server and ours of one model."""

    model: Model
    mlflow: Any
    ours: Any

    def ask(self, body: bytes, kind: str = JSON) -> tuple[httpx.Response, httpx.Response]:
        """What both answer to a body, MLflow's server first."""

        async def ask_both() -> tuple[httpx.Response, httpx.Response]:
            return await _post(self.mlflow, body, kind), await _post(self.ours, body, kind)

        return asyncio.run(ask_both())

    def compare(self, body: bytes, kind: str = JSON) -> bool:
        """Checks that ours answers what MLflow's does; whether it answered."""
        theirs, ours = self.ask(body, kind)
        if theirs.status_code != 200:
            assert ours.status_code < 500, body
            return False
        assert ours.status_code == 200, (body, ours.text)
        assert _are_equal(ours.json(), theirs.json()), (body, ours.json(), theirs.json())
        return True


async def _post(application: Any, body: bytes, kind: str) -> httpx.Response:
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        return await client.post("/invocations", content=body, headers={"content-type": kind})


def _are_equal(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_are_equal(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_are_equal, one, other))
    return bool(
        np.isclose(one, other, rtol=0, atol=1e-9) if isinstance(one, float) else one == other
    )


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A tracking store of its own; afterwards all is as it was."""
    place = tmp_path_factory.mktemp("tracking")
    before, paths = mlflow.get_tracking_uri(), [*sys.path]
    mlflow.set_tracking_uri(f"sqlite:///{place / 'mlflow.db'}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", "true")
        yield place
    mlflow.set_tracking_uri(before)
    sys.path[:] = paths


def serve(place: Path, bundle: Path, example: pd.DataFrame) -> Servers:
    """Logs a bundle as the pipeline does, and loads it as both servers do."""
    model = Model.load(bundle)
    name = model.manifest.task
    experiment = mlflow.create_experiment(name, artifact_location=str(place / name))
    with mlflow.start_run(experiment_id=experiment):
        uri = log_bundle(bundle, model.manifest, example=example, metadata={})
    application = scoring_server.init(mlflow.pyfunc.load_model(uri))
    return Servers(model, application, client_of(model).application)


@pytest.fixture(scope="module")
def classifier(tracking: Path) -> Servers:
    spec, data = iris()
    save(fit(data, spec), tracking / "iris", data_version="1", input_ranges={})
    return serve(
        tracking, tracking / "iris", pd.DataFrame([[5.1, 3.5, 1.4, 0.2]], columns=[*"abcd"])
    )


@pytest.fixture(scope="module")
def regressor(tracking: Path) -> Servers:
    spec, data = diabetes()
    save(fit(data, spec), tracking / "diabetes", data_version="1", input_ranges={})
    example = pd.DataFrame(
        data.part("train").features[:3].astype(float), columns=spec.columns.inputs
    )
    return serve(tracking, tracking / "diabetes", example)


@pytest.fixture(scope="module")
def forecaster(tracking: Path) -> Servers:
    forecast_model(tracking / "oven")
    return serve(tracking, tracking / "oven", pd.DataFrame(history("a")))


def history(oven: object, *, phase: float = 0.0) -> Data:
    """The readings of one oven, as a user sends them."""
    times = np.datetime64("2020-02-01T00:00:00") + np.arange(ROWS) * np.timedelta64(1, "h")
    wave = np.sin(np.arange(ROWS) * np.pi / 12 + phase)
    return {
        "date": [f"{time}Z" for time in times],
        "load": wave.tolist(),
        "OT": (20 + 5 * wave).tolist(),
        "oven": [oven] * ROWS,
    }


finite = st.floats(-60, 60) | st.integers(-3, 60) | st.sampled_from([1e30, -1e-40, 10**30, 2**60])
castable = st.booleans() | st.sampled_from(["1.5", " 2 ", "1e1", "-0"])
numbers = st.one_of(finite, finite, finite, finite, finite, finite, finite, castable)
wrong = st.none() | st.sampled_from(["NaN", "warm", "", "1,5", 1e39, "inf", [1.0], {"a": 1}])
scalars = st.none() | st.booleans() | st.integers() | st.floats(-1, 1) | st.text(max_size=3)
sometimes = st.sampled_from([False, False, False, False, False, True])


@st.composite
def rows_of(draw: Draw, names: list[str]) -> Data:
    """Rows for a model that sees each on its own."""
    count = draw(st.integers(1, 4))
    return {name: draw(st.lists(numbers, min_size=count, max_size=count)) for name in names}


@st.composite
def histories(draw: Draw) -> Data:
    """The history of one oven or two, with a few other readings and missing ones."""
    first, second = draw(st.sampled_from([("a", "b"), (1, 2), ("1", 2), ("a", "a"), (1.0, True)]))
    data = history(first)
    if draw(st.booleans()):
        more = history(second, phase=1.0)
        data = {name: data[name] + more[name] for name in data}
    for _ in range(draw(st.integers(0, 4))):
        name = draw(st.sampled_from(["load", "OT"]))
        data[name][draw(st.integers(0, ROWS - 1))] = draw(numbers | st.none())
    return data


@st.composite
def changed(draw: Draw, tables: st.SearchStrategy[Data]) -> Data:
    """The columns of a table in any order, with superfluous ones, and sometimes a mistake."""
    data = draw(tables)
    count = len(next(iter(data.values())))
    for name in draw(st.lists(st.sampled_from(["x", "note", "0", "a/b"]), max_size=2, unique=True)):
        data[name] = draw(st.lists(scalars, min_size=count, max_size=count))
    if draw(sometimes):
        name = draw(st.sampled_from(sorted(data)))
        if draw(st.booleans()):
            del data[name]
        else:
            data[name][draw(st.integers(0, count - 1))] = draw(wrong)
    return {name: data[name] for name in draw(st.permutations(sorted(data)))}


def records(data: Data) -> list[dict[str, Any]]:
    return [dict(zip(data, values, strict=True)) for values in zip(*data.values(), strict=True)]


@st.composite
def split(draw: Draw, data: Data) -> Mapping[str, Any]:
    """A `dataframe_split`, now and then with labels or with a row that is cut off."""
    rows = [[*values] for values in zip(*data.values(), strict=True)]
    if draw(sometimes):
        del draw(st.sampled_from(rows))[-1]
    labels = draw(st.sampled_from(["left out", None, [*range(len(rows))], ["a"] * len(rows)]))
    table = {"columns": [*data], "data": rows}
    return table if labels == "left out" else {**table, "index": labels}


@st.composite
def some_records(draw: Draw, data: Data) -> list[dict[str, Any]]:
    """Records, now and then one that lacks a field."""
    rows = records(data)
    if rows and rows[0] and draw(sometimes):
        row = draw(st.sampled_from(rows))
        del row[draw(st.sampled_from(sorted(row)))]
    return rows


@st.composite
def fields(draw: Draw, data: Data) -> Mapping[str, Any]:
    """Columns, now and then one of them as a single value."""
    if data and draw(sometimes):
        name = draw(st.sampled_from(sorted(data)))
        return {**data, name: data[name][0]}
    return data


@st.composite
def requests(draw: Draw, tables: st.SearchStrategy[Data]) -> bytes:
    """A body in one of the four forms."""
    data = draw(changed(tables))
    form = draw(st.sampled_from(["dataframe_split", "dataframe_records", "inputs", "instances"]))
    if form == "dataframe_split":
        content = draw(split(data))
    elif form == "dataframe_records":
        content = draw(some_records(data))
    else:
        content = draw(some_records(data) | fields(data))
    beside = draw(st.sampled_from([{}, {"params": {"a": 1}}]))
    return json.dumps({form: content, **beside}).encode()


def check(servers: Servers, tables: st.SearchStrategy[Data], *, examples: int) -> None:
    """Asks both servers what is drawn; a good part of it must have an answer."""
    answered = []

    @settings(max_examples=examples)
    @given(requests(tables))
    def ask(body: bytes) -> None:
        answered.append(servers.compare(body))

    ask()
    assert np.mean(answered) > 0.4


def test_a_classification_answers_what_mlflow_answers(classifier: Servers) -> None:
    check(classifier, rows_of([*"abcd"]), examples=300)


def test_a_regression_answers_what_mlflow_answers(regressor: Servers) -> None:
    check(regressor, rows_of(regressor.model.manifest.feature_names), examples=300)


def test_a_forecast_answers_what_mlflow_answers(forecaster: Servers) -> None:
    check(forecaster, histories(), examples=200)


@pytest.mark.parametrize("index", [True, False])
def test_a_csv_of_pandas_is_answered_as_mlflow_does(forecaster: Servers, index: bool) -> None:
    table = pd.DataFrame(history(1)).assign(note="a, b\nc", OT=lambda rows: rows["OT"] + 1 / 3)
    table.loc[3, "load"] = None
    assert forecaster.compare(table.to_csv(index=index).encode(), CSV)


@pytest.mark.parametrize(
    "text",
    [
        "a,b,c,d\n1,2,3,4\n",
        "\ufeffd,c,note,b,a\r\n4,3,NA,2,1\r\n",
        'a,b,c,d\n"1"," 2 ",3e0,True\n\n5,6,7,false\n \n',
        "a,a,b,c,d\n5.1,0,3.5,1.4,0.2",
        "a,b,c,d,x\n1,2,3,4\n1,2,3,4,5\n",
    ],
)
def test_a_csv_is_read_as_mlflow_does(classifier: Servers, text: str) -> None:
    assert classifier.compare(text.encode(), CSV)


@pytest.mark.parametrize(
    "text",
    ["", "a,b,c,d\n", "a,b,c,d\n1,2,3,NA\n", "a,b,c\n1,2,3\n", 'a,b,c,d\n1,2,3,"4\n', "a;b\n1;2\n"],
)
def test_a_wrong_csv_is_refused_as_by_mlflow(classifier: Servers, text: str) -> None:
    assert not classifier.compare(text.encode(), CSV)


@pytest.mark.parametrize("charset", ["", "; charset=utf-8", ";charset=UTF-8"])
@pytest.mark.parametrize(
    ("kind", "body"),
    [(JSON, b'{"inputs": {"a": 1, "b": 2, "c": 3, "d": 4}}'), (CSV, b"a,b,c,d\n1,2,3,4\n")],
)
def test_a_charset_is_taken_as_by_mlflow(
    classifier: Servers, kind: str, body: bytes, charset: str
) -> None:
    assert classifier.compare(body, kind + charset)
