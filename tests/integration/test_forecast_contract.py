"""The service of a forecast does what its OpenAPI document says; other kinds have another file.

That lets two workers try them at once.
"""

from pathlib import Path

from tests.integration.contract_cases import assert_kept
from tests.unit.request_cases import write_forecaster


def test_every_operation_keeps_its_promise(tmp_path: Path) -> None:
    assert_kept(write_forecaster, tmp_path)
