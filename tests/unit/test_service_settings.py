"""What whoever runs the service can set."""

import pytest

from serving.runtime.settings import ServiceSettings, SettingsError
from tests.conftest import ROOT


def test_without_any_there_are_defaults() -> None:
    settings = ServiceSettings.read({})
    assert (settings.workers, settings.max_concurrency, settings.api_keys_file) == (1, 64, None)


def test_an_empty_variable_is_as_good_as_none() -> None:
    assert ServiceSettings.read({"WORKERS": "", "API_KEYS_FILE": ""}) == ServiceSettings.read({})


def test_variables_of_others_are_not_read() -> None:
    assert ServiceSettings.read({"HOME": "/", "PORT": "1"}) == ServiceSettings.read({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WORKERS", "0"),
        ("WORKERS", "two"),
        ("MAX_CONCURRENCY", "-1"),
        ("MAX_BODY_BYTES", "10"),
        ("BODY_SECONDS", "0"),
        ("DRAIN_SECONDS", "60"),
        ("FEAST_ONLINE_ENABLED", "perhaps"),
        ("FEAST_ONLINE_URL", "feast:6566"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: "):
        ServiceSettings.read({name: value})


def test_every_variable_stands_in_the_documentation() -> None:
    text = (ROOT / "docs" / "service.md").read_text()
    assert [name for name in ServiceSettings.variables().values() if f"`{name}`" not in text] == []
