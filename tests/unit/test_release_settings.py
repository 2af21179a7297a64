"""The settings of a release: which key signs it, and where its files are."""

from pathlib import Path

import pytest

from serving.release import settings
from serving.release.settings import KeyMissingError, ReleaseSettings
from tests.conftest import ROOT


def _key(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    """The key that an environment chooses."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return ReleaseSettings.from_environment().require_signer().key


@pytest.mark.parametrize("profile", ["", "production", "dev"])
def test_without_a_key_a_release_fails_and_says_what_to_do(
    profile: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyMissingError, match=r"set SIGNING_KEY in .env.*run make keys"):
        _key(monkeypatch, RELEASE_PROFILE=profile, SIGNING_KEY="")


def test_the_development_profile_takes_the_key_for_trying_things_out(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _key(monkeypatch, RELEASE_PROFILE="development", SIGNING_HOME="/keys")
    assert found == "/keys/development.key"
    assert ReleaseSettings.from_environment().require_signer().is_development


def test_a_key_that_was_chosen_comes_before_the_profile(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELEASE_PROFILE", "development")
    assert _key(monkeypatch, SIGNING_KEY="ours.key", SIGNING_HOME="/keys") == "/keys/ours.key"
    assert not ReleaseSettings.from_environment().require_signer().is_development


@pytest.mark.parametrize(
    "url",
    [
        "awskms:///alias/releases",
        "gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k",
        "azurekms://vault.example.org/releases",
        "hashivault://releases",
    ],
)
def test_a_key_in_a_key_management_service_is_its_url(
    url: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _key(monkeypatch, SIGNING_KEY=url, SIGNING_HOME="/keys") == url
    credentials = ReleaseSettings.from_environment().require_signer().credentials
    assert credentials == Path("/keys/kms.env")


def test_everything_lies_in_the_state_directory_unless_it_is_set(home: Path) -> None:
    found = ReleaseSettings.from_environment()
    assert found.signing_home == home / "signing"
    assert found.deliveries == home / "deliveries"
    assert found.scan_home == home / "scan"


def test_customers_are_those_of_the_project_if_it_has_a_list(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ReleaseSettings.from_environment().customers_file == ROOT / "customers.yaml"
    monkeypatch.setattr(settings, "PROJECT", home / "pyproject.toml")
    (home / "pyproject.toml").write_text('[project]\nversion = "0.1.0"\n')
    assert ReleaseSettings.from_environment().customers_file is None


def test_each_place_can_be_set(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("CUSTOMERS_FILE", "DELIVERY_HOME", "SCAN_HOME", "SIGNING_HOME")
    for name in names:
        monkeypatch.setenv(name, f"/{name}")
    found = ReleaseSettings.from_environment()
    places = (found.customers_file, found.deliveries, found.scan_home, found.signing_home)
    assert places == tuple(Path(f"/{name}") for name in names)


def test_the_release_may_reach_the_registry_by_another_address(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELEASE_REGISTRY", "localhost:5050")
    monkeypatch.setenv("RELEASE_REGISTRY_ADDRESS", "registry.local:5000")
    found = ReleaseSettings.from_environment()
    assert (found.registry, found.repository("iris").name) == (
        "localhost:5050",
        "registry.local:5000/iris",
    )
