"""What the asset `evaluation` leaves for the release: requests that a service is proved with."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ml_assets.components.inputs import load_snapshot, training_set_version
from ml_assets.core.spec import PipelineSpec
from ml_assets.resources.files import told_plainly
from ml_assets.resources.registry import ModelRegistry
from ml_assets.resources.storage import Storage
from ml_assets.resources.tracking import MlflowRun
from ml_assets.resources.version_files import RegisteredVersion

if TYPE_CHECKING:
    from ml_assets.core.evaluation.comparison import Comparison
    from ml_assets.core.features.training_set import TrainingSet
    from serving.runtime.model import Model


def log_golden(
    compared: "Comparison",
    data: "TrainingSet",
    spec: PipelineSpec,
    storage: Storage,
    registry: ModelRegistry,
    run: MlflowRun,
    *,
    candidate: RegisteredVersion,
    model: "Model",
) -> int:
    """Logs the candidate's golden requests and tells the registry where they are.

    Returns:
        How many there are.
    """
    from ml_assets.core.evaluation.golden import golden_requests
    from ml_assets.core.evaluation.measuring import CANDIDATE
    from serving.golden import GOLDEN_FILE, write_golden
    from serving.runtime.files import read_file, sha256

    requests = golden_requests(
        data.part("test"),
        compared.predictions[CANDIDATE],
        dataset=load_snapshot(spec, storage, version=training_set_version(spec, storage)),
        spec=spec,
        manifest=model.manifest,
    )
    with TemporaryDirectory() as directory:
        path = Path(directory) / GOLDEN_FILE
        with told_plainly(path):
            count = write_golden(requests, path)
        run.log_artifact(str(path))
        digest = sha256(read_file(path))
    uri = f"runs:/{run.active_run().info.run_id}/{GOLDEN_FILE}"
    registry.record_golden(candidate, uri=uri, digest=digest)
    return count
