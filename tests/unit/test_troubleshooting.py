"""Messages that docs/troubleshooting.md shows word for word are those that our code prints."""

import re

import pytest

from tests.conftest import ROOT
from tests.documents import blocks, text_of

PAGE = "docs/troubleshooting.md"
OURS = {
    "set it in .env; make up writes it": "docker-compose.yml",
    "has a database already, and .env has no passwords for it": "docker/configure",
    "the platform is not set up here; start it with: make up": "Makefile",
    "(DATABASE in .env), and would be empty in": "docker/up",
    "can't be used: Address already in use; try another one, for instance": "commands/ports.py",
    "PostgreSQL is started, and nothing would use it: set DATABASE=postgres": "docker-compose.yml",
    "no model has that name, or it is newer than the images": "commands/platform.py",
    "runs in containers see files below": "commands/launch.py",
    "to its directory": "commands/launch.py",
    "is not set, and without it anybody could change models in MLflow's UI": "docker/nginx/start",
    "its password has fewer than 12 characters": "docker/grafana/start",
    "is not a number": "ml_assets/core/dataset/cells.py",
    "does not answer; start the platform with make up": "ml_assets/resources/mlflow_access.py",
    "can't do that": "ml_assets/resources/mlflow_access.py",
    "its files are there, and that the disk has room": "ml_assets/resources/mlflow_access.py",
    "start the platform with make up, and see docker compose ps": "commands/platform.py",
    "is in production": "commands/versions.py",
    "train one: make train MODEL=": "commands/image.py",
    "has no version with the alias": "ml_assets/resources/registry.py",
    "is not released, and no release began; ": "commands/image.py",
    "start it again with: make release MODEL=": "commands/image.py",
    "has failed, see ": "commands/image.py",
    "no key is configured to sign releases with; set SIGNING_KEY": "serving/release/settings.py",
    "and run make keys": "serving/release/settings.py",
    "there is no model in this image; promote one, then: make serve": "docker/serve",
    "can't be made; give the container a /tmp that it may write": "docker/serve",
    "is over its budget; find what grew with: docker history": "docker/build",
}
OF_OTHERS = (
    "dependency failed to start: container",
    "port is already allocated",
    "FATAL:  password authentication failed for user",
    "pull access denied for",
    "lookup registry-1.docker.io: no such host",
    "permission denied while trying to connect to the Docker daemon socket",
    "PermissionError: [Errno 13] Permission denied",
    "Invalid Host header - possible DNS rebinding attack detected",
    "exec format error",
    "ModuleNotFoundError: No module named",
)
"""What Docker, PostgreSQL, MLflow and Python say."""


def _one_line(text: str) -> str:
    """Code whose texts go over lines, with each of them in one piece; words of values left out."""
    joined = re.sub(r'"\s*\\?\n\s*f?"', "", text)
    return joined.replace("{error.strerror}", "Address already in use").replace("'\"'\"'", "")


@pytest.mark.parametrize("fragment", OURS)
def test_a_message_of_ours_is_printed_by_the_code_and_shown_on_the_page(fragment: str) -> None:
    assert fragment in "".join(blocks(PAGE))
    assert fragment in _one_line((ROOT / OURS[fragment]).read_text(encoding="utf-8"))


def test_every_message_of_the_page_is_known() -> None:
    for block in blocks(PAGE):
        assert any(one in block for one in (*OURS, *OF_OTHERS)), block


def test_every_case_of_the_checklist_has_a_heading() -> None:
    """What users of such platforms ask for, by words of the headings."""
    headings = " ".join(re.findall("^#+ (.*)$", text_of(PAGE), re.MULTILINE)).lower()
    for words in (
        "training container exits immediately",
        "connection error",
        "model not found",
        "serving image is too large",
        "services are not starting",
        "postgresql",
        "invalid host header",
        "port already in use",
        "permission denied in a volume",
        "modulenotfounderror",
        "the name mlflow can't be resolved",
    ):
        assert words in headings
