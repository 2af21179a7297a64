"""The OpenAPI document and the page that shows it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from serving.runtime.model import Model
from tests.unit.http_cases import Client, client_of
from tests.unit.request_cases import write_classifier, write_forecaster, write_regressor

WRITERS = (write_forecaster, write_classifier, write_regressor)


@pytest.fixture(params=WRITERS)
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Client:
    write: Callable[[Path], Model] = request.param
    return client_of(write(tmp_path / "model"), {"SUPPORT_CONTACT": "help@example.org"})


def predict(client: Client) -> Any:
    return client.get("/docs.json").json()["paths"]["/predict"]["post"]


def body_example(operation: Any) -> Any:
    return operation["requestBody"]["content"]["application/json"]["example"]


def answer_example(operation: Any, status: int) -> Any:
    return operation["responses"][str(status)]["content"]["application/json"]["example"]


def test_the_example_is_answered_as_the_document_says(client: Client) -> None:
    operation = predict(client)
    answer = client.post("/predict", json=body_example(operation))
    assert answer.status_code == 200
    assert answer.json() == answer_example(operation, 200)


def test_the_examples_of_the_scoring_protocol_are_answered(client: Client) -> None:
    paths = client.get("/docs.json").json()["paths"]
    content = paths["/invocations"]["post"]["requestBody"]["content"]
    answers = [
        client.post("/invocations", content=text, headers={"content-type": kind}).json()
        for kind, text in (
            ("application/json", json.dumps(content["application/json"]["example"])),
            ("text/csv", content["text/csv"]["example"]),
        )
    ]
    assert answers[0] == answers[1]
    assert answers[0]["predictions"]


def test_the_example_of_an_error_names_the_field(client: Client) -> None:
    example = answer_example(predict(client), 422)
    assert "expected a finite number" in example["error"]
    assert example["fields"][0]["path"].startswith("/data/")


@pytest.mark.parametrize("path", ["/model", "/health", "/livez", "/readyz"])
def test_what_tells_about_the_service_is_answered_as_its_example(client: Client, path: str) -> None:
    operation = client.get("/docs.json").json()["paths"][path]["get"]
    assert client.get(path).json() == answer_example(operation, 200)


def test_the_examples_of_answers_fit_their_schemas(client: Client) -> None:
    document = client.get("/docs.json").json()
    contents = [
        response["content"]["application/json"]
        for path in document["paths"].values()
        for operation in path.values()
        for response in operation["responses"].values()
        if "application/json" in response["content"]
    ]
    assert len(contents) > 50
    for content in contents:
        schema = {**content["schema"], "components": document["components"]}
        Draft202012Validator(schema).validate(content["example"])


def test_the_document_names_limits_and_whom_to_ask(client: Client) -> None:
    info = client.get("/docs.json").json()["info"]
    assert info["contact"] == {"email": "help@example.org"}
    for part in ("100000 rows", "8000000 bytes", "help@example.org"):
        assert part in info["description"]


@pytest.mark.parametrize(
    ("contact", "expected"),
    [
        ("https://example.org/help", {"url": "https://example.org/help"}),
        ("Ada, room 12", {"name": "Ada, room 12"}),
        ("", {"name": "whoever gave you this service"}),
    ],
)
def test_a_contact_may_be_an_address_or_a_name(
    forecaster: Model, contact: str, expected: dict[str, str]
) -> None:
    named = client_of(forecaster, {"SUPPORT_CONTACT": contact})
    assert named.get("/docs.json").json()["info"]["contact"] == expected


def test_every_route_but_the_documents_themselves_is_described(client: Client) -> None:
    described = set(client.get("/docs.json").json()["paths"])
    told = client.get("/nothing").json()["error"].partition("there is ")[2]
    routes = set(told.partition("there is ")[2].split(", "))
    assert routes - described == {"/", "/docs.json"}


def test_the_page_asks_no_other_address(client: Client) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    sources = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert [one for one in sources if "//" in one] == []
    for source in sources:
        if not source.startswith("data:"):
            assert client.get(f"/{source}").status_code == 200
    assert "validatorUrl: null" in client.get("/docs/start.js").text
