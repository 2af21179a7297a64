"""A project in a directory of its own, whose settings tests write."""

import os
from collections.abc import Mapping
from pathlib import Path

from operations.project import Project

COMPOSE = """name: ${PLATFORM_NAME:-ml-assets}
services:
  mlflow:
    image: ${IMAGES:?the prefix of the names of the images}-mlflow:1
    # ${COMMENTED:?out}
    env_file: docker/database/${DATABASE:-sqlite}/mlflow.env
    ports: ["${BIND_ADDRESS:-127.0.0.1}:${MLFLOW_PORT:-5000}:5000"]
    environment: {COST: "$${NOT_OURS:?}", DATA: "${DATA_DIR:?set it in .env; make up writes it}"}
"""
POSTGRES = "URI=postgresql://mlflow:${MLFLOW_DB_PASSWORD:?set it in .env}@postgres/mlflow\n"
EXAMPLE = "# PLATFORM_NAME=ml-assets\nDATA_DIR=\nMLFLOW_DB_PASSWORD=\n# MLFLOW_PORT=5000\n"
CONFIGURE = "add DATA_DIR\nfor name in MLFLOW_DB_PASSWORD; do :; done\n"


def make_project(
    root: Path, env: str | None = None, *, environment: Mapping[str, str] | None = None
) -> Project:
    """A project with a compose file and, if it is given, an .env that only its owner can read."""
    files = {
        "docker-compose.yml": COMPOSE,
        "docker/database/postgres/mlflow.env": POSTGRES,
        "docker/database/sqlite/mlflow.env": "URI=sqlite:////mlflow.db\n",
        "docker/configure": CONFIGURE,
        ".env.example": EXAMPLE,
        "pyproject.toml": '[project]\nversion = "0.1.0"\n',
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    if env is not None:
        (root / ".env").write_text(env)
        (root / ".env").chmod(0o600)
    given = {"PATH": os.environ["PATH"], **(environment or {})}
    return Project(root, given, root / ".env")
