"""Small bundles, made by the real steps of a small image that no engine has built."""

import gzip
import json
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ml_assets.core.evaluation.measuring import EntityErrors, StepErrors
from serving.release.bundle.assembling import CUSTOMER, Parts, assemble
from serving.release.bundle.change_notes import Earlier
from serving.release.bundle.checking import check_bundle
from serving.release.bundle.facts import ReleaseFacts, immutable_tag
from serving.release.bundle.measured import Measured
from serving.release.bundle.oci import OciImage
from serving.release.bundle.signed_files import sign_directory
from serving.release.contents.image import read_image
from serving.release.contents.sbom import ModelFile
from serving.release.scan.report import ScanReport
from serving.release.signing import PublicKey, Signer
from tests.unit.facts_cases import facts
from tests.unit.image_cases import Content, tar
from tests.unit.measured_cases import measured
from tests.unit.saved_images import SavedImage, layout

KEPT = CUSTOMER / "verify.sh"
"""The script that a customer has kept."""
MADE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PURPOSE, LIMITS = "Forecasts the oil of an oven.", "Not for ovens that are out of doors."
TOLD: dict[str, Any] = {
    "model": {"name": "oven", "version": "3"},
    "forecast": {"horizon": 3, "step": "1 h", "lookback": 24},
    "training": {"rows": 360, "start": "2020-01-01", "end": "2020-01-15"},
    "data_version": "seed 1",
    "inputs": [{"name": "OT", "training_range": [10, 30]}],
    "digest": "c" * 64,
    "estimator": "xgboost",
    "support_contact": "help@example.org",
}


@dataclass(frozen=True)
class KeyPair(Signer):
    """A key in memory, which signs as cosign does."""

    key: str = "memory"
    private: EllipticCurvePrivateKey = field(
        default_factory=lambda: generate_private_key(SECP256R1())
    )

    def public_key(self) -> PublicKey:
        public = self.private.public_key()
        return PublicKey(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    def sign_file(self, path: Path) -> bytes:
        return self.private.sign(path.read_bytes(), ECDSA(SHA256()))


def facts_of(found: OciImage, signer: Signer, version: str = "3", **given: Any) -> ReleaseFacts:
    """What a release of an image is."""
    of_image = {
        "model": "oven",
        "image": f"oven:{immutable_tag(version, found.digest)}",
        "image_digest": found.digest,
        "image_id": found.image_id,
        "model_digest": TOLD["digest"],
        "registered": MADE,
        "released": MADE,
        "key_fingerprint": signer.public_key().fingerprint,
        "development_key": signer.is_development,
        "golden_requests": 2,
    }
    return facts(int(version), **of_image | given)


def measured_of_oven() -> Measured:
    """What its evaluation has measured."""
    return measured(
        "forecast",
        step="1h",
        metrics={"mae": 0.5, "rmse": 0.75, "skill_vs_persistence": 0.25},
        baselines={"persistence": {"mae": 0.625, "rmse": 1.0}},
        entities=[EntityErrors(entity="a", rows=120, mse_scaled=0.04, mae_scaled=0.125)],
        steps={"candidate": StepErrors(mse_scaled=[0.1, 0.2, 0.3], mae_scaled=[0.25, 0.375, 0.5])},
    )


def parts(found: OciImage, about: ReleaseFacts, **given: Any) -> Parts:
    golden = [{"data": {"OT": [1.0]}, "predictions": [2.0], "probabilities": None}] * 2
    fields: dict[str, Any] = {
        "facts": about,
        "image": found,
        "contents": read_image(found.layers),
        "model": [ModelFile("model.json", about.model_digest), ModelFile("model.ubj", "f" * 64)],
        "measured": measured_of_oven(),
        "purpose": PURPOSE,
        "limits": LIMITS,
        "told": json.dumps(TOLD).encode(),
        "openapi": json.dumps({"openapi": "3.1.0", "paths": {}}).encode(),
        "example": json.dumps({"data": {"OT": [1.0]}}).encode(),
        "golden": gzip.compress("\n".join(map(json.dumps, golden)).encode()),
        "service_page": b"# The service\n",
        "scan": ScanReport(day=MADE.date()),
        "before": None,
        "run": "dagster-run",
        "started": MADE,
        "builder": {"docker": "1.2"},
    }
    return Parts(**fields | given)


@dataclass(frozen=True)
class Bundle:
    """An unpacked bundle that tests change.

    Attributes:
        directory: Its files.
        facts: What it is of.
        signer: The key that it is signed with.
    """

    directory: Path
    facts: ReleaseFacts
    signer: Signer

    @classmethod
    def make(
        cls, place: Path, saved: SavedImage, signer: Signer, *, version: str = "3"
    ) -> "Bundle":
        """A bundle of a small image."""
        found = layout(saved, place / "layout")
        about = facts_of(found, signer, version)
        directory = place / about.name
        directory.mkdir()
        assemble(directory, parts(found, about))
        return cls(directory, about, signer).signed()

    def copy(self, place: Path) -> "Bundle":
        """A copy, of which nothing is shared with this one."""
        directory = place / self.directory.name
        subprocess.run(["cp", "-a", self.directory, directory], check=True)
        return replace(self, directory=directory)

    def signed(self, signer: Signer | None = None) -> "Bundle":
        """This bundle, with the list of its files and the signature written anew."""
        sign_directory(self.directory, signer or self.signer)
        return self

    @property
    def fingerprint(self) -> str:
        """Of the supplier's key, as customers know it."""
        return self.signer.public_key().fingerprint

    @property
    def earlier(self) -> Earlier:
        """What the next release says its changes against."""
        names = {"facts": "release.json", "card": "model-card.json", "sbom": "sbom.cdx.json"}
        read = {key: (self.directory / name).read_bytes() for key, name in names.items()}
        return Earlier.read(**read)

    def verify(
        self, *options: str, by: str = "sh", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Checks it with a script that was kept, and with the right key."""
        given = ("--key", self.fingerprint, *options, str(self.directory))
        return run_script(KEPT, *given, by=by, env=env)

    def verify_without_key(self) -> subprocess.CompletedProcess[str]:
        """The same by someone who does not know the key."""
        return run_script(KEPT, str(self.directory))

    def check(self) -> None:
        """Checks it as releases, deliveries and rollbacks do."""
        check_bundle(self.directory, self.facts, fingerprint=self.fingerprint)


def run_script(
    script: Path | str,
    *arguments: str,
    by: str = "sh",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs verify.sh.

    Args:
        script: Which one.
        arguments: Its arguments.
        by: The shell that runs it.
        env: All of its environment.
        cwd: Where it is called.
    """
    return subprocess.run(
        [*by.split(), script, *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env=env,
        cwd=cwd,
        timeout=180,
    )


def reason_of(ended: subprocess.CompletedProcess[str]) -> str:
    """Why verify.sh has refused; it says nothing else then."""
    assert ended.returncode == 1, ended
    assert "OK" not in ended.stdout.splitlines()
    _, refused, reason = ended.stderr.partition("REFUSED: ")
    assert refused, ended
    return reason


def flip(path: Path) -> None:
    """Changes one bit in the middle of a file."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        (byte,) = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))


def repack(archive: Path, change: Mapping[str, Content]) -> None:
    """Writes an archive anew, with other contents of some of its files."""
    archive.write_bytes(tar(members(archive) | dict(change)))


def members(archive: Path) -> dict[str, Content]:
    """The files in an archive."""
    with tarfile.open(archive) as tar:
        return {one.name: found.read() for one in tar if (found := tar.extractfile(one))}
