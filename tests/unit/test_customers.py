"""customers.yaml: who gets what, and every mistake with its place."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from serving.release.delivery.customers import Customer, CustomersError, read_customers
from tests.conftest import ROOT
from tests.unit.facts_cases import facts

ACME = {"name": "acme", "models": ["iris"], "registry": "registry.example.org/acme"}
BYTE = {"name": "byte-works", "models": ["*"], "directory": "byte-works"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "customers.yaml"


def _read(path: Path, *customers: dict[str, Any]) -> list[Customer]:
    path.write_text(yaml.safe_dump({"customers": [*customers]}))
    return [*read_customers(path)]


def _mistake(path: Path, *customers: dict[str, Any]) -> str:
    """What is said of a wrong file, after its name."""
    with pytest.raises(CustomersError) as caught:
        _read(path, *customers)
    said = str(caught.value)
    assert said.startswith(f"{path} is wrong: ")
    return said.removeprefix(f"{path} is wrong: ")


def test_the_shipped_file_names_nobody() -> None:
    assert [*read_customers(ROOT / "customers.yaml")] == []


def test_the_example_in_the_shipped_file_is_right(path: Path) -> None:
    shipped = (ROOT / "customers.yaml").read_text(encoding="utf-8")
    example = shipped[shipped.index("# customers:") : shipped.index("\ncustomers:")]
    path.write_text(example.replace("# ", "", 1).replace("\n# ", "\n"), encoding="utf-8")
    assert [one.name for one in read_customers(path)] == ["acme", "byte-works"]


def test_customers_are_read_in_their_order(path: Path) -> None:
    assert [one.name for one in _read(path, ACME, BYTE)] == ["acme", "byte-works"]


def test_what_is_left_out_has_defaults(path: Path) -> None:
    (acme,) = _read(path, ACME)
    assert (acme.channel, acme.tag) == ("stable", "v{version}-{digest12}")


@pytest.mark.parametrize("content", ["", "# nobody yet\n", "customers: []\n"])
def test_a_file_that_names_nobody_has_no_customers(content: str, path: Path) -> None:
    path.write_text(content)
    assert [*read_customers(path)] == []


def test_no_file_is_no_customers() -> None:
    assert [*read_customers(None)] == []


def test_a_file_that_was_named_and_is_not_there_is_told(path: Path) -> None:
    with pytest.raises(CustomersError, match=r"customers.yaml can't be read: .*No such file"):
        read_customers(path)


def test_a_star_is_every_model(path: Path) -> None:
    acme, byte_works = _read(path, ACME, BYTE)
    assert [acme.gets("iris"), acme.gets("oven")] == [True, False]
    assert [byte_works.gets("iris"), byte_works.gets("oven")] == [True, True]


def test_a_registry_on_loopback_or_without_tls_has_an_address(path: Path) -> None:
    for registry in ("localhost:5050", "http://10.0.0.7:5000/acme/models", "registry.example.org"):
        (found,) = _read(path, ACME | {"registry": registry})
        assert found.registry == registry


def test_a_tag_is_made_of_model_version_and_digest(path: Path) -> None:
    (acme,) = _read(path, ACME | {"tag": "{model}_{version}.{digest12}"})
    assert acme.tag_of(facts(7)) == f"iris_7.{facts(7).image_digest[7:19]}"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"chanel": "beta"}, "customers.0.chanel: Extra inputs are not permitted"),
        ({"directory": "acme"}, "customers.0: acme needs either a registry or a directory"),
        ({"registry": ""}, "customers.0: acme needs either a registry or a directory"),
        (
            {"registry": "https://r.example.org"},
            "customers.0.registry: 'https://r.example.org' is ",
        ),
        ({"registry": "http://"}, "customers.0.registry: 'http://' is not a registry"),
        ({"registry": "r.example.org/a b"}, "customers.0.registry: 'r.example.org/a b' is not a"),
        ({"registry": "me:secret@r.example.org"}, "customers.0.registry: a registry's address hol"),
        ({"channel": "latest"}, "customers.0.channel: a channel can't be called latest"),
        ({"channel": "Beta!"}, "customers.0.channel: String should match pattern"),
        ({"tag": "v{version}"}, "customers.0.tag: a tag holds {digest12}"),
        ({"tag": "{{digest12}}"}, "customers.0.tag: a tag is of letters"),
        ({"tag": "{digest12}-{data}"}, "customers.0.tag: a tag may hold {model}, {version} and"),
        ({"tag": "{digest12}-{version.data}"}, "customers.0.tag: a tag may hold {model}"),
        ({"tag": "{digest12}-{version[data]}"}, "customers.0.tag: a tag may hold {model}"),
        ({"tag": "{digest12}-{"}, "customers.0.tag: a tag may hold {model}"),
        ({"tag": "{digest12}/x"}, "customers.0.tag: a tag is of letters"),
        ({"name": "ACME"}, "customers.0.name: String should match pattern"),
        ({"name": "../x"}, "customers.0.name: String should match pattern"),
        ({"models": []}, "customers.0.models: List should have at least 1 item"),
        ({"models": "iris"}, "customers.0.models: Input should be a valid list"),
    ],
)
def test_a_mistake_is_told_with_its_place(change: dict[str, Any], says: str, path: Path) -> None:
    assert _mistake(path, ACME | change).startswith(says)


def test_the_address_of_a_registry_is_not_told_with_its_credentials(path: Path) -> None:
    assert "secret" not in _mistake(path, ACME | {"registry": "me:secret@r.example.org"})


@pytest.mark.parametrize("directory", ["../others", "acme/../../others", "/srv/acme"])
def test_a_directory_stays_below_that_of_deliveries(directory: str, path: Path) -> None:
    said = _mistake(path, ACME, BYTE | {"directory": directory})
    assert said.startswith("customers.1.directory: a directory is a path below the directory of")


def test_two_customers_of_one_name_are_told(path: Path) -> None:
    assert _mistake(path, ACME, BYTE, ACME) == "the file: two customers are called acme"


def test_two_customers_of_one_directory_are_told(path: Path) -> None:
    other = BYTE | {"name": "other", "directory": f"{BYTE['directory']}/"}
    assert "two customers have the directory" in _mistake(path, BYTE, other)


def test_a_list_in_place_of_the_section_is_told(path: Path) -> None:
    path.write_text("- name: acme\n")
    with pytest.raises(CustomersError, match=r"yaml is wrong: the file: Input should be"):
        read_customers(path)


@pytest.mark.parametrize(
    "content", [b"customers: [", b"customers:\n\t- name: acme", b"\xff\xfe\x00"]
)
def test_what_is_no_yaml_is_told_with_its_file(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(CustomersError, match=r"customers.yaml can't be read: "):
        read_customers(path)


def test_a_directory_in_place_of_the_file_is_told(path: Path) -> None:
    """Docker makes one where a file that it mounts is missing; nobody would get anything."""
    path.mkdir()
    with pytest.raises(CustomersError, match=r"customers.yaml can't be read: .*[Dd]irectory"):
        read_customers(path)
