"""The service does what its OpenAPI document says, whatever it is sent."""

import hashlib
from pathlib import Path

from tests.integration.contract_cases import KEY, assert_kept, requests, served, try_all
from tests.unit.request_cases import write_classifier, write_regressor

EXAMPLES_WITH_KEY = 100
ROUTES_WITH_KEY = ("/predict", "/predict/feast", "/invocations", "/model", "/metrics")


def test_every_operation_keeps_its_promise(tmp_path: Path) -> None:
    assert_kept(write_classifier, tmp_path)


def test_every_operation_of_a_service_with_keys_keeps_its_promise(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(hashlib.sha256(KEY.encode()).hexdigest())
    with served(write_regressor, tmp_path, API_KEYS_FILE=str(keys)) as service:
        header = ("--header", f"Authorization: Bearer {KEY}")
        try_all(service, tmp_path, *header, examples=EXAMPLES_WITH_KEY)
        for path in ROUTES_WITH_KEY:
            answered = requests(service, path)
            assert min(answered[200], answered[401], answered[403]) > 0, path
