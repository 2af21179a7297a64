"""A backup holds all state, in an order in which nothing is named that is not there."""

import ast
import sys

import pytest
import yaml

from operations.backup.contents import LEFT_OUT, VOLUMES, parts
from tests.conftest import ROOT

KEYS = {one.key for one in VOLUMES}


def test_every_volume_is_backed_up_or_left_out_for_a_reason() -> None:
    told = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["volumes"]
    assert told.keys() <= KEYS | LEFT_OUT.keys()
    assert not KEYS & LEFT_OUT.keys()


@pytest.mark.parametrize(
    ("database", "rows"),
    [
        ("postgres", ["dagster.dump", "mlflow.dump", "feast.dump"]),
        ("sqlite", ["logs.tar", "mlflow.tar", "state.tar"]),
    ],
)
def test_who_names_comes_before_what_is_named(database: str, rows: list[str]) -> None:
    order = [one.path for one in parts(database, KEYS)]
    dagster, mlflow, feast = (f"databases/{row}" for row in rows)
    assert order[:4] == [dagster, "ledger.tar", mlflow, feast]
    assert all(path.startswith("volumes/") for path in order[5:])
    assert order.index("volumes/releases.tar") < order.index("volumes/registry.tar")


def test_with_postgresql_files_of_sqlite_in_volumes_are_files_like_others() -> None:
    told = {one.path: one.packing for one in parts("postgres", KEYS)}
    assert told["volumes/mlflow.tar"].databases == ()
    assert "databases/mlflow.tar" not in told
    assert told["databases/grafana.tar"].databases == ("grafana.db",)


def test_volumes_that_are_not_there_have_no_part() -> None:
    paths = [one.path for one in parts("postgres", {"mlflow"})]
    assert paths == [
        *(f"databases/{name}.dump" for name in ("dagster", "mlflow", "feast")),
        "volumes/mlflow.tar",
    ]


def test_a_platform_that_was_only_watched_is_backed_up() -> None:
    paths = [one.path for one in parts("sqlite", {"grafana"})]
    assert paths == ["databases/grafana.tar", "volumes/grafana.tar"]


def test_these_commands_need_nothing_but_python() -> None:
    for path in (ROOT / "operations").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                imported = [node.module]
            elif isinstance(node, ast.Import):
                imported = [one.name for one in node.names]
            else:
                continue
            tops = {name.split(".")[0] for name in imported}
            assert tops <= {*sys.stdlib_module_names, "operations"}, path
