"""What no layer may hold is found in whichever layer it is, and nothing else is."""

import json
from pathlib import Path

import pytest

from serving.release.contents.forbidden import (
    CONFIGURATION,
    LARGEST_TEXT,
    Finding,
    find_forbidden,
    find_in_configuration,
)
from tests.unit.image_cases import BASE, PACKAGES, SYMBOLIC, Content, layer, layers

KEY = f"-----BEGIN {'PRIVATE'} KEY-----\n{'MIIEvQIBADANBgkqhkiG9w0BAQEFAASC' * 2}\n"
SIGSTORE = KEY.replace("BEGIN", "BEGIN ENCRYPTED SIGSTORE")
OLD = KEY.replace("BEGIN", "BEGIN RSA").replace("-----\n", "-----\nProc-Type: 4,ENCRYPTED\n\n")
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def reasons(directory: Path, path: str, content: Content = b"") -> list[str]:
    return [one.why for one in find_forbidden([layer(directory / "layer", {path: content})])]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("bento/.git/config", "a Git repository"),
        (".git", "a Git repository"),
        ("app/.env", "a file of environment variables"),
        ("app/.env.production", "a file of environment variables"),
        ("bento/src/explore.ipynb", "a notebook"),
        (f"{PACKAGES}/lib/explore.ipynb", "a notebook"),
        ("bento/src/readings.csv", "a file of data"),
        ("var/lib/data/part.parquet", "a file of data"),
        ("usr/local/share/readings.csv.gz", "a file of data"),
        ("app/ml_assets/core/training.py", "code that no customer gets"),
        ("usr/src/ml_assets/core/training.py", "code that no customer gets"),
        (f"{PACKAGES}/ml_assets/core/training.py", "code that no customer gets"),
        ("bento/src/serving/release/sbom.py", "code that no customer gets"),
        ("app/commands/run.py", "code that no customer gets"),
        ("app/run_containers/keeper.py", "code that no customer gets"),
        ("bento/src/tests/test_model.py", "code that no customer gets"),
        ("usr/bin/gcc", "a build tool"),
        ("usr/bin/x86_64-linux-gnu-gcc-12", "a build tool"),
        ("usr/bin/g++", "a build tool"),
        ("usr/bin/git", "a build tool"),
        ("usr/local/bin/uv", "an installer"),
        ("opt/venv/bin/pip3.11", "an installer"),
        (f"{PACKAGES}/pip/__init__.py", "an installer"),
        ("root/.cache/uv/wheels/a.whl", "a package manager's cache"),
        ("var/cache/apt/archives/gcc_12_amd64.deb", "a package manager's cache"),
        ("var/lib/apt/lists/deb.debian.org_debian_main", "a package manager's cache"),
        ("keys/cosign.key", "a private key"),
        ("root/.ssh/id_ed25519", "a private key"),
        ("etc/ssl/private/service.p12", "a private key"),
        ("root/.netrc", "credentials"),
        ("home/app/.docker/config.json", "credentials"),
    ],
)
def test_a_forbidden_path_is_found(tmp_path: Path, path: str, why: str) -> None:
    assert reasons(tmp_path, path) == [why]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (KEY, "a private key"),
        (OLD, "a private key"),
        (SIGSTORE, "a private key"),
        ('{"private_key": "' + KEY.replace("\n", "\\n") + '"}', "a private key"),
        ("key = AKIA" + "Q" * 16, "an access key of AWS"),
        (f"token: ghp_{LETTERS}", "a token of GitHub"),
        (f"github_pat_{LETTERS}{LETTERS}", "a token of GitHub"),
        (f"glpat-{LETTERS[:20]}", "a token of GitLab"),
        (f"hf_{LETTERS[:34]}", "a token of Hugging Face"),
        (f"pypi-AgEI{LETTERS}{LETTERS}", "a token of PyPI"),
        (f"xoxb-123456789-{LETTERS}", "a token of Slack"),
        (f"AIza{LETTERS[:35]}", "a key of Google"),
        ('{"auths": {"x": {"auth": "dXNlcjpwYXNzd29yZA=="}}}', "a registry's password"),
    ],
)
def test_a_secret_in_a_file_is_found(tmp_path: Path, content: str, why: str) -> None:
    assert reasons(tmp_path, "etc/anything", f"a line\n{content}\n") == [why]


@pytest.mark.parametrize(
    "path",
    [
        ".gitignore",
        "bento/src/environment.py",
        f"{PACKAGES}/sklearn/datasets/data/iris.csv",
        f"{PACKAGES}/numpy/tests/data.py",
        f"{PACKAGES}/click/commands/core.py",
        "usr/lib/python3.11/test/support.py",
        "usr/local/lib/python3.11/lib2to3/tests/data.py",
        "usr/local/lib/python3.11/site-packages/pip/__init__.py",
        "usr/local/bin/pip3",
        "usr/share/zoneinfo/data.csv",
        "etc/ssl/certs/root.pem",
        "usr/bin/perl",
        "bento/src/serving/runtime/release_notes.py",
        "var/lib/ml_assets",
        "app/.wh..env",
        "app/ml_assets/.wh.core",
    ],
)
def test_what_belongs_there_is_not_found(tmp_path: Path, path: str) -> None:
    assert reasons(tmp_path, path) == []


@pytest.mark.parametrize(
    "content",
    [
        f"BEGIN = '-----BEGIN {'PRIVATE'} KEY-----'\n",
        KEY.replace("PRIVATE", "PUBLIC"),
        "AKIAIOSFODNN7EXAMPLE",
        "graph_pa_x = hf_model",
        b"\x7fELF\0" + KEY.encode(),
        KEY + "x" * LARGEST_TEXT,
    ],
)
def test_what_is_no_secret_or_no_text_is_not_found(tmp_path: Path, content: Content) -> None:
    assert reasons(tmp_path, "etc/anything", content) == []


def test_a_link_of_a_forbidden_name_is_found(tmp_path: Path) -> None:
    assert reasons(tmp_path, "usr/bin/cc", (SYMBOLIC, "tcc")) == ["a build tool"]


def test_a_file_that_a_later_layer_takes_away_is_found_in_its_layer(tmp_path: Path) -> None:
    below, above = {**BASE, "app/.env": b"PASSWORD=1"}, {"app/.wh..env": b""}
    assert find_forbidden(layers(tmp_path, below, above)) == [
        Finding("layer0.tar", "app/.env", "a file of environment variables")
    ]


def test_a_secret_in_a_compressed_layer_is_found(tmp_path: Path) -> None:
    path = layer(tmp_path / "layer.tar.gz", {"a": KEY}, compressed=True)
    assert [one.path for one in find_forbidden([path])] == ["a"]


def test_an_image_of_nothing_forbidden_has_no_findings(tmp_path: Path) -> None:
    assert find_forbidden(layers(tmp_path, BASE)) == []


@pytest.mark.parametrize(
    ("part", "place"),
    [
        ({"config": {"Env": ["A=1", f"KEY={KEY}"]}}, "configuration.config.Env.1"),
        ({"config": {"Labels": {"key": f"hf_{LETTERS[:34]}"}}}, "configuration.config.Labels.key"),
        (
            {"history": [{"created_by": f"RUN x --token ghp_{LETTERS}"}]},
            "configuration.history.0.created_by",
        ),
        ({"config": {"Cmd": ['{"auth": "c29tZWJvZHk6c2VjcmV0"}']}}, "configuration.config.Cmd.0"),
    ],
    ids=["a variable", "a label", "the history", "a command"],
)
def test_a_secret_in_the_configuration_is_found_with_its_place(
    part: dict[str, object], place: str
) -> None:
    (found,) = find_in_configuration(json.dumps(part).encode())
    assert (found.layer, found.path) == (CONFIGURATION, place)


def test_a_configuration_without_secrets_has_no_findings() -> None:
    content = {"config": {"Env": ["PATH=/bin"], "Labels": None, "Tty": False}, "history": [{}]}
    assert find_in_configuration(json.dumps(content).encode()) == []
