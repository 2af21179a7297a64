"""Where the pipeline's files live: atomic writes, and one run at a time for each model."""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TypeVar

import dagster as dg
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from pydantic import BaseModel, PrivateAttr, ValidationError

from ml_assets.core.errors import StateError

NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
FREE_MIB = 50
"""Least free space that a run begins with, so that no database of Dagster or MLflow fails later."""
DATA_VERSION = b"data_version"
Record = TypeVar("Record", bound=BaseModel)
UNFINISHED = "~"
"""How the name of a file ends that is still being written, or whose writer was killed."""


class Storage(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The files of all models below one directory, `<home>/data/<model>/`.

    What a reader sees is always a whole file: everything is written beside its final place first
    and renamed. A model's files are written by one run at a time.
    """

    home: str
    _locks: dict[str, FileLock] = PrivateAttr(default_factory=dict)

    def directory(self, model: str) -> Path:
        """Directory of the files of ``model``; made if it is missing."""
        path = Path(self.home).resolve() / "data" / model
        with told_plainly(path):
            path.mkdir(parents=True, exist_ok=True)
        return path

    def file(self, model: str, *names: str) -> Path:
        """Place of a file of ``model``; its directory is made if it is missing."""
        path = self.directory(model).joinpath(*names)
        with told_plainly(path):
            path.parent.mkdir(exist_ok=True)
        return path

    def claim(self, model: str, *, run_id: str) -> None:
        """Takes the model's files for this process until it ends, however it ends.

        Raises:
            StateError: Another process holds them, or the disk is full.
        """
        if model in self._locks:
            return
        directory = self.directory(model)
        require_space(directory)
        lock = FileLock(directory / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise StateError(_held_by_another(model, directory)) from None
        self._locks[model] = lock
        for leftover in directory.rglob(f".*{UNFINISHED}"):
            leftover.unlink()
        owner = {"run": run_id, "process": os.getpid(), "since": f"{datetime.now(UTC):%F %T} UTC"}
        with atomic_write(directory / ".owner.json") as file:
            file.write(json.dumps(owner).encode())

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        """Gives back what :meth:`claim` took."""
        while self._locks:
            self._locks.popitem()[1].release()

    def write_frame(self, frame: pd.DataFrame, path: Path, *, data_version: str) -> Path:
        """Writes Parquet that says which dataset it was made of; returns ``path``."""
        table = pa.Table.from_pandas(frame, preserve_index=False)
        metadata = {**(table.schema.metadata or {}), DATA_VERSION: data_version.encode()}
        with atomic_write(path) as file:
            pq.write_table(table.replace_schema_metadata(metadata), file, compression="zstd")
        return path

    def read_frame(self, path: Path, *, made_by: str) -> pd.DataFrame:
        """Reads Parquet.

        Raises:
            StateError: It is not there yet; the message names the asset that makes it.
        """
        return pd.read_parquet(self.require(path, made_by=made_by))

    def data_version(self, path: Path, *, made_by: str) -> str:
        """The dataset that a Parquet file was made of.

        Raises:
            StateError: It is not there yet; the message names the asset that makes it.
        """
        metadata = pq.read_schema(self.require(path, made_by=made_by)).metadata
        return str(metadata[DATA_VERSION].decode())

    def write_record(self, record: BaseModel, path: Path) -> None:
        """Writes a record as JSON that people can read."""
        with atomic_write(path) as file:
            file.write(record.model_dump_json(indent=2).encode())

    def read_record(self, kind: type[Record], path: Path, *, made_by: str) -> Record:
        """Reads a record.

        Raises:
            StateError: It is not there yet, or damaged; the message names the asset that makes it.
        """
        text = self.require(path, made_by=made_by).read_text()
        try:
            return kind.model_validate_json(text)
        except ValidationError as error:
            raise StateError(f"{path} is damaged; materialise {made_by!r} again") from error

    def require(self, path: Path, *, made_by: str) -> Path:
        """The path of a file that must be there.

        Raises:
            StateError: It is not; the message names the asset that makes it.
        """
        if not path.exists():
            raise StateError(
                f"{path} does not exist yet; materialise the model's asset {made_by!r} first"
            )
        return path


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """A binary file that takes the place of ``path`` once it is whole.

    Raises:
        StateError: No space or no permission; ``path`` is as it was.
    """
    with told_plainly(path):
        descriptor, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.", suffix=UNFINISHED
        )
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)


@contextmanager
def told_plainly(path: Path) -> Iterator[None]:
    """Turns the system's errors about ``path`` into a StateError that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise _no_space(path) from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise StateError(f"{path} can't be written: {error.strerror}") from error
        raise


def require_space(directory: Path) -> None:
    """Makes sure that a run has room to work.

    Raises:
        StateError: Less than `FREE_MIB` are free below ``directory``.
    """
    if _free_mib(directory) < FREE_MIB:
        raise _no_space(directory)


def _no_space(path: Path) -> StateError:
    return StateError(
        f"no space left to write {path} ({_free_mib(path)} MiB free); free some space, or set "
        "ML_ASSETS_HOME to a larger disk. Nothing was changed"
    )


def _free_mib(path: Path) -> int:
    return shutil.disk_usage(_existing(path)).free >> 20


def _existing(path: Path) -> Path:
    return next(parent for parent in (path, *path.parents) if parent.exists())


def _held_by_another(model: str, directory: Path) -> str:
    try:
        owner = json.loads((directory / ".owner.json").read_text())
        who = f"run {owner['run']} (process {owner['process']}, since {owner['since']})"
    except (OSError, ValueError, KeyError):
        who = "another run"
    return f"{who} is working on {model!r}; wait for it to end, or stop it, and start again"
