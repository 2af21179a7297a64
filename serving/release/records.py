"""What the steps of a release leave for the next ones: image, proof, bundle."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from ml_assets.resources.files import atomic_write, told_plainly
from serving.release.bundle.facts import ReleaseFacts
from serving.release.settings import ReleaseSettings
from serving.runtime.errors import MLAssetsError
from serving.runtime.spec import FrozenModel

Record = TypeVar("Record", bound=BaseModel)
BUNDLE = "bundle.json"
"""Name of the file that notes which bundle a version has."""


class ReleaseError(MLAssetsError):
    """A step of a release lacks what an earlier one makes, or would release what was not proved."""


class ImageRecord(FrozenModel):
    """The image of a version.

    Attributes:
        name: Its name in the engine.
        id: Its digest in the engine.
    """

    name: str
    id: str


class ProofRecord(FrozenModel):
    """That an image answers as the evaluated model.

    Attributes:
        image_id: The image that was proved, and no other.
        requests: Golden requests that it answered.
        largest_difference: Between two numbers.
    """

    image_id: str
    requests: int
    largest_difference: float


class BundleRecord(FrozenModel):
    """The bundle of a version.

    Attributes:
        file: Name of its file, beside this record.
        image_id: The engine's id of the image in it, which was proved.
        sums: sha256 of the signed list of its files.
        facts: What the release is.
    """

    file: str
    image_id: str
    sums: str
    facts: ReleaseFacts


@dataclass(frozen=True)
class ReleaseFiles:
    """The files of the release of one version.

    Attributes:
        bento: Directory of its Bento.
        records: Directory of its records.
    """

    bento: Path
    records: Path

    @classmethod
    def of(cls, settings: ReleaseSettings, model: str, version: int) -> "ReleaseFiles":
        """The files of a version."""
        place = Path(model, f"v{version}")
        return cls(settings.bento_home / "bentos" / place, settings.home / "releases" / place)

    def require_bento(self) -> Path:
        """Directory of the Bento.

        Raises:
            ReleaseError: It is not there.
        """
        if not self.bento.exists():
            raise ReleaseError(f"there is no {self.bento}; materialise the asset bento first")
        return self.bento

    def require_model(self) -> Path:
        """Directory of the model's files in the Bento.

        Raises:
            ReleaseError: There is no Bento.
        """
        return self.require_bento() / "src" / "model"

    def write_image(self, record: ImageRecord) -> None:
        """Notes which image the version has."""
        self._write("image.json", _json(record))

    def require_image(self) -> ImageRecord:
        """The image of the version.

        Raises:
            ReleaseError: There is none.
        """
        return self._read("image.json", ImageRecord, made_by="service_image")

    def write_proof(self, record: ProofRecord, *, documents: Mapping[str, bytes]) -> None:
        """Notes what was proved, and keeps what the image says of itself."""
        for name, content in documents.items():
            self._write(name, content)
        self._write("proof.json", _json(record))

    def document(self, name: str) -> bytes:
        """What the proved image says of itself, by the name of its file.

        Raises:
            ReleaseError: It is not there.
        """
        try:
            return (self.records / name).read_bytes()
        except OSError as error:
            raise ReleaseError(
                f"{self.records / name} can't be read ({error.strerror}); materialise the asset "
                "parity again"
            ) from error

    def forget_proof(self) -> None:
        """Removes the proof, so that none is left if the next one fails."""
        (self.records / "proof.json").unlink(missing_ok=True)

    def require_proof(self) -> ProofRecord:
        """What was proved.

        Raises:
            ReleaseError: Nothing.
        """
        return self._read("proof.json", ProofRecord, made_by="parity")

    def require_proved_image(self) -> ImageRecord:
        """The image of the version, if it is the very one that was proved.

        Raises:
            ReleaseError: There is none, or it was not proved.
        """
        image = self.require_image()
        proof = self.require_proof()
        if proof.image_id != image.id:
            raise ReleaseError(
                f"{image.name} is the image {image.id}, but {proof.image_id} was proved; "
                "materialise the asset parity again"
            )
        return image

    def write_bundle(self, record: BundleRecord) -> None:
        """Notes which bundle the version has."""
        self._write(BUNDLE, _json(record))

    def find_bundle(self) -> BundleRecord | None:
        """The bundle of the version, if it has one."""
        try:
            record = BundleRecord.model_validate_json((self.records / BUNDLE).read_bytes())
        except (OSError, ValidationError):
            return None
        return record if self.archive(record).is_file() else None

    def require_bundle(self) -> BundleRecord:
        """The bundle of the version.

        Raises:
            ReleaseError: There is none.
        """
        record = self._read(BUNDLE, BundleRecord, made_by="bundle")
        if not self.archive(record).is_file():
            raise ReleaseError(
                f"{self.archive(record)} is gone; materialise the asset bundle again"
            )
        return record

    def require_proved_bundle(self) -> BundleRecord:
        """The bundle of the version, if it is of the very image that was proved last.

        Raises:
            ReleaseError: There is none, or it is of another image.
        """
        record, image = self.require_bundle(), self.require_proved_image()
        if record.image_id != image.id:
            raise ReleaseError(
                f"{record.file} is of the image {record.image_id}, but {image.id} was proved; "
                "materialise the asset bundle again"
            )
        return record

    def archive(self, record: BundleRecord) -> Path:
        """The file of a bundle."""
        return self.records / record.file

    def _write(self, name: str, content: bytes) -> None:
        with told_plainly(self.records):
            self.records.mkdir(parents=True, exist_ok=True)
        with atomic_write(self.records / name) as file:
            file.write(content)

    def _read(self, name: str, kind: type[Record], *, made_by: str) -> Record:
        path = self.records / name
        try:
            return kind.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            raise ReleaseError(
                f"there is no {path} yet; materialise the asset {made_by} first"
            ) from error
        except (OSError, ValidationError) as error:
            raise ReleaseError(
                f"{path} can't be read ({error}); materialise the asset {made_by} again"
            ) from error


def _json(record: BaseModel) -> bytes:
    return record.model_dump_json(indent=2).encode()
