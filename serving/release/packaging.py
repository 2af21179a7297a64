"""Builds the Bento of a model version: the runtime, the model's files, and nothing else.

The build runs in a process of its own, on a staged copy of ``serving/runtime`` and of the verified
files of the model; it does not see the repository, so nothing else can get in. A Bento that holds
the same already is kept as it is, under a service that may be running from it.
"""

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from packaging.requirements import Requirement

import serving.runtime
from ml_assets.resources.pins import installed_pin
from serving.release.bento_files import is_built_of, set_creation_time
from serving.release.bento_store import install, make_latest, workspace_in
from serving.runtime.errors import MLAssetsError
from serving.runtime.files import MANIFEST, read_file, read_verified, sha256
from serving.runtime.manifest import ModelManifest, read_manifest
from serving.runtime.release_notes import RELEASE, ReleaseNotes

RUNTIME = Path(serving.runtime.__file__).parent
LOCKS = RUNTIME.parents[1] / "requirements"
LOCK = LOCKS / "serve.txt"
SKOPS_LOCK = LOCKS / "serve-sklearn.txt"
SERVICE = "serving.runtime.service:PredictionService"
# BentoML adds itself, with httpx, prometheus_client, psutil and uvicorn.
PACKAGES = ("numpy", "pydantic", "tzdata", "xgboost-cpu")
SKOPS_PACKAGES = ("scikit-learn", "skops")
PASSED_ON = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "TZ")

_log = logging.getLogger(__name__)


class PackagingError(MLAssetsError):
    """A Bento can't be built; the message says why."""


@dataclass(frozen=True)
class BuiltBento:
    """A Bento in a store.

    Attributes:
        tag: Its name for `bentoml serve`: `<model>:v<version>`.
        path: Its directory.
    """

    tag: str
    path: Path


def build_bento(
    model_dir: Path,
    *,
    version: str,
    created: datetime,
    bento_home: Path,
    notes: ReleaseNotes | None = None,
) -> BuiltBento:
    """Builds the Bento of a model version, unless the store has it with the same content.

    A Bento of that version with another model, runtime, packages or time is replaced. The same of
    all these gives the same Bento, to the last bit, whenever and wherever it is built.

    Args:
        model_dir: The model's directory; every file's sha256 is verified before it is used.
        version: Version of the model in the registry, such as "3".
        created: When it was registered, with a zone; the Bento gives it as its own creation.
        bento_home: `BENTOML_HOME` of the store that gets the Bento.
        notes: What the model card tells beside the manifest.

    Raises:
        ModelFileError: A file of the model is missing, or is not the one that was recorded.
        PackagingError: There is no space, BentoML refuses, or the version can't be part of a name.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", version):
        raise PackagingError(f"{version!r} can't be a model's version; use one such as '3'")
    try:
        with workspace_in(bento_home) as workspace:
            manifest = _stage(model_dir, workspace / "context", notes=notes or ReleaseNotes())
            return _build(
                manifest,
                version=version,
                created=created,
                workspace=workspace,
                bento_home=bento_home,
            )
    except OSError as error:
        raise PackagingError(
            f"the Bento of {model_dir} can't be built in {bento_home} "
            f"({error.strerror or error}); the Bentos there are as they were"
        ) from error


def bentoml_environment(bento_home: Path) -> dict[str, str]:
    """Environment variables for a process of BentoML: nothing of ours but the store."""
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {**passed_on, "BENTOML_DO_NOT_TRACK": "true", "BENTOML_HOME": str(bento_home)}


def _build(
    manifest: ModelManifest, *, version: str, created: datetime, workspace: Path, bento_home: Path
) -> BuiltBento:
    context = workspace / "context"
    tag = f"{manifest.name}:v{version}"
    place = Path(manifest.name, f"v{version}")
    target = bento_home / "bentos" / place
    packages = _requirements(manifest)
    wanted = [*packages, installed_pin("bentoml")]
    if is_built_of(context, target, packages=wanted, created=created):
        _log.info("the store has Bento %s already", tag)
    else:
        _log.info("building Bento %s", tag)
        build_file = _build_file(manifest, packages, version=version)
        (context / "bentofile.yaml").write_text(json.dumps(build_file), encoding="utf-8")
        _run_bentoml(context, tag=tag, home=workspace)
        built = workspace / "bentos" / place
        set_creation_time(built, created)
        install(built, target)
    make_latest(target, scratch=workspace / "latest")
    return BuiltBento(tag, target)


def _stage(model_dir: Path, context: Path, *, notes: ReleaseNotes) -> ModelManifest:
    """Puts together what the Bento shall hold."""
    _stage_runtime(context)
    manifest = _stage_model(model_dir, context / "model")
    digest = sha256(read_file(context / "model" / MANIFEST))
    complete = notes.model_copy(update={"digest": digest})
    (context / RELEASE).write_text(complete.model_dump_json(indent=2), encoding="utf-8")
    return manifest


def _stage_runtime(context: Path) -> None:
    package = context / "serving" / "runtime"
    shutil.copytree(RUNTIME, package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(RUNTIME.parent / "__init__.py", package.parent)


def _stage_model(model_dir: Path, staged: Path) -> ModelManifest:
    """Writes what was verified, so that no file can be exchanged after its check."""
    staged.mkdir()
    (staged / MANIFEST).write_bytes(read_file(model_dir / MANIFEST))
    manifest = read_manifest(staged)
    for name, content in read_verified(model_dir, manifest.files).items():
        (staged / name).write_bytes(content)
    return manifest


def _build_file(manifest: ModelManifest, packages: list[str], *, version: str) -> dict[str, object]:
    """What BentoML reads as `bentofile.yaml`; JSON is YAML too."""
    labels = {"model": manifest.name, "version": version, "data_version": manifest.data_version}
    return {
        "service": SERVICE,
        "name": manifest.name,
        "description": f"# {manifest.name}, version {version}\n\nSend columns to POST /predict.\n",
        "labels": labels,
        "include": ["serving/**", "model/**", RELEASE],
        "python": {"packages": packages, "lock_packages": False},
    }


def _requirements(manifest: ModelManifest) -> list[str]:
    """The packages of the runtime, pinned by the locks, or else to what is installed here.

    Raises:
        PackagingError: A package is neither locked nor installed.
    """
    names = PACKAGES + (SKOPS_PACKAGES if manifest.needs_sklearn else ())
    locks = (LOCK, SKOPS_LOCK) if manifest.needs_sklearn else (LOCK,)
    locked = {name: pin for lock in locks for name, pin in _locked(lock).items()}
    try:
        return [locked[name] if name in locked else installed_pin(name) for name in names]
    except PackageNotFoundError as error:
        raise PackagingError(
            f"{error.name} is neither in {locks[-1]} nor installed; run make lock, or install it"
        ) from error


def _locked(lock: Path) -> dict[str, str]:
    """The pins of a lock file that apply to this Python, by package; none without the file."""
    if not lock.exists():
        return {}
    lines = re.findall(r"^[a-z0-9].*?(?=\s*\\?$)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    pins = (Requirement(line) for line in lines)
    applicable = (pin for pin in pins if pin.marker is None or pin.marker.evaluate())
    return {pin.name: f"{pin.name}{pin.specifier}" for pin in applicable}


def _run_bentoml(context: Path, *, tag: str, home: Path) -> None:
    version = tag.partition(":")[2]
    ended = subprocess.run(  # noqa: S603  our own interpreter, and a version checked above
        [sys.executable, "-m", "bentoml", "build", "--version", version, "."],
        cwd=context,
        # What Python compiles meanwhile would be packed too.
        env={**bentoml_environment(home), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        reason = "\n".join((ended.stdout + ended.stderr).strip().splitlines()[-5:])
        raise PackagingError(f"BentoML can't build {tag}: {reason}")
