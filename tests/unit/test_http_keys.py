"""Who may ask a service that has keys."""

import hashlib
from pathlib import Path

import pytest

from serving.runtime.http.keys import ApiKeys, KeyFileError
from serving.runtime.model import Model
from tests.unit.http_cases import Client, client_of
from tests.unit.request_cases import history

KEY, OTHER = "correct horse battery staple", "another customer's"


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(
        f"  # customers\n\n{digest(KEY)}  ACME, until June\n  {digest(OTHER).upper()}\n"
    )
    return path


@pytest.fixture
def client(forecaster: Model, file: Path) -> Client:
    return client_of(forecaster, {"API_KEYS_FILE": str(file)})


@pytest.mark.parametrize("key", [KEY, OTHER])
def test_each_key_of_the_file_opens_the_service(client: Client, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    assert client.post("/predict", json={"data": history()}, headers=headers).status_code == 200


@pytest.mark.parametrize("authorization", [None, "", "Basic YTpi", "Bearer"])
def test_without_a_key_nothing_is_answered(client: Client, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = client.post("/predict", json={"data": history()}, headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert "Authorization: Bearer" in answer.json()["error"]


@pytest.mark.parametrize("key", ["", "wrong", KEY + "x", digest(KEY), "\xff"])
def test_another_key_is_refused(client: Client, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}".encode("latin-1")}
    answer = client.post("/predict", json={"data": history()}, headers=headers)
    assert answer.status_code == 403
    assert key == "" or key not in answer.text


@pytest.mark.parametrize("path", ["/predict", "/predict/feast", "/invocations"])
def test_every_prediction_asks_for_a_key(client: Client, path: str) -> None:
    assert client.post(path, json={}).status_code == 401


@pytest.mark.parametrize("path", ["/model", "/metrics"])
def test_what_tells_of_the_model_asks_for_a_key(client: Client, path: str) -> None:
    assert client.get(path).status_code == 401


@pytest.mark.parametrize("path", ["/health", "/livez", "/readyz", "/", "/docs.json"])
def test_health_and_documents_are_open(client: Client, path: str) -> None:
    assert client.get(path).status_code == 200


def test_the_document_says_that_a_key_is_asked_for(client: Client, forecaster: Model) -> None:
    document = client.get("/docs.json").json()
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert document["paths"]["/predict"]["post"]["security"] == [{"key": []}]
    assert "401" in document["paths"]["/model"]["get"]["responses"]
    open_one = client_of(forecaster).get("/docs.json").json()
    assert "securitySchemes" not in open_one["components"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no key"),
        ("# none\n", "holds no key"),
        (f"{digest(KEY)}\n{KEY}\n", "line 2: expected the SHA-256"),
        (digest(KEY)[:-1], "line 1: expected the SHA-256"),
        ("\xe4", "not a text in ASCII"),
    ],
)
def test_a_wrong_file_is_told_without_what_it_holds(
    tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "keys"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(KeyFileError, match=message) as caught:
        ApiKeys.read(path)
    assert KEY not in str(caught.value)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="can't be read"):
        ApiKeys.read(tmp_path / "none")
