"""Where the pipeline's files live, and that one run at a time writes those of a model."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import dagster as dg
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from pydantic import BaseModel, PrivateAttr, ValidationError

from ml_assets.core.errors import StateError
from ml_assets.resources.files import UNFINISHED, atomic_write, require_space, told_plainly

DATA_VERSION = b"data_version"
Record = TypeVar("Record", bound=BaseModel)


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


def _held_by_another(model: str, directory: Path) -> str:
    try:
        owner = json.loads((directory / ".owner.json").read_text())
        who = f"run {owner['run']} (process {owner['process']}, since {owner['since']})"
    except (OSError, ValueError, KeyError):
        who = "another run"
    return f"{who} is working on {model!r}; wait for it to end, or stop it, and start again"
