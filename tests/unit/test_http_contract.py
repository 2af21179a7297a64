"""Whatever a body holds, it is answered, and the place of each mistake is one of the body's."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.runtime.model import Model
from tests.unit.http_cases import Client, client_of
from tests.unit.request_cases import history, write_classifier, write_forecaster, write_regressor

EXAMPLES = 300
ROWS = {"length": [0.1, 1.2, -0.3], "width": [2.0, 0.5, 0.9]}
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([1e39, ""])
)
VALUES = st.recursive(
    SCALARS, lambda some: st.lists(some) | st.dictionaries(st.text(), some), max_leaves=10
)
NAMES = st.sampled_from([*ROWS, "date", "load", "OT", "unit", "data"]) | st.text()


@pytest.fixture(scope="module", params=[write_classifier, write_regressor, write_forecaster])
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A client of a model, and columns that it answers."""
    write: Callable[[Path], Model] = request.param
    client = client_of(write(tmp_path_factory.mktemp("models") / "model"))
    return client, history() if write is write_forecaster else ROWS


@st.composite
def changed(draw: st.DrawFn, right: Mapping[str, list[Any]]) -> Any:
    """Right columns with a few mistakes."""
    columns: dict[str, Any] = {name: [*values] for name, values in right.items()}
    for _ in range(draw(st.integers(0, 3))):
        name = draw(NAMES)
        rows = columns.get(name)
        if isinstance(rows, list) and rows and draw(st.booleans()):
            rows[draw(st.integers(0, len(rows) - 1))] = draw(VALUES)
        else:
            columns[name] = draw(VALUES)
    return {"data": columns} if draw(st.booleans()) else columns


def check(client: Client, path: str, body: bytes) -> None:
    """Asks, and looks at the shape of the answer."""
    response = client.post(path, content=body, headers={"content-type": "application/json"})
    assert response.status_code in {200, 400, 422}
    content = response.json()
    if response.status_code != 200:
        assert content["error"]
        assert content["request_id"] == response.headers["x-request-id"]
    for field in content.get("fields", ()):
        assert field["error"]
        assert leads_into(json.loads(body), field["path"])


def leads_into(content: Any, path: str) -> bool:
    """Whether all parts of a JSON pointer but the last, which may be missing, are there."""
    *parents, _ = (part.replace("~1", "/").replace("~0", "~") for part in path.split("/"))
    for part in parents[1:]:
        try:
            content = content[int(part) if isinstance(content, list) else part]
        except (KeyError, IndexError, ValueError, TypeError):
            return False
    return isinstance(content, list | dict) or len(parents) == 0


@pytest.mark.parametrize("path", ["/predict", "/invocations"])
def test_right_requests_with_mistakes_are_answered(asked: Any, path: str) -> None:
    client, right = asked

    @settings(max_examples=EXAMPLES)
    @given(changed(right))
    def ask(content: Any) -> None:
        check(client, path, json.dumps(content).encode())

    ask()


@pytest.mark.parametrize("path", ["/predict", "/invocations"])
def test_any_bytes_are_answered(asked: Any, path: str) -> None:
    client, _ = asked

    @settings(max_examples=EXAMPLES)
    @given(st.binary() | VALUES.map(lambda value: json.dumps(value).encode()))
    def ask(body: bytes) -> None:
        check(client, path, body)

    ask()
