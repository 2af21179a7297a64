"""The first use of MLflow's embedded database, by two processes at once."""

import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

LOOK = """
import sys, time
import sqlalchemy.event
from mlflow.store.tracking.dbmodels.initial_models import Base
from ml_assets.resources.registry import ModelRegistry

# After the look at which tables are missing, before they are made.
sqlalchemy.event.listen(Base.metadata, "before_create", lambda *_, **__: time.sleep(3))
print(ModelRegistry(tracking_uri=sys.argv[1]).models())
"""


def test_two_processes_that_come_first_at_once_both_succeed(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/home/mlflow.db"
    command = [sys.executable, "-c", LOOK, uri]
    processes = [
        subprocess.Popen(
            command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    ended = [(process.communicate(timeout=120), process.returncode) for process in processes]
    assert [(out.strip(), status) for (out, _), status in ended] == [("{}", 0)] * 2, ended
