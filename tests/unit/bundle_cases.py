"""Small bundles, made by the real steps of a small image that no engine has built."""

import gzip
import hashlib
import json
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from serving.release.bundle import oci
from serving.release.bundle.assembling import CUSTOMER, Parts, assemble
from serving.release.bundle.change_notes import Earlier
from serving.release.bundle.checking import check_bundle
from serving.release.bundle.facts import ReleaseFacts, immutable_tag
from serving.release.bundle.measured import Measured
from serving.release.bundle.oci import OciImage, write_layout
from serving.release.bundle.signed_files import sign_directory
from serving.release.contents.image import read_image
from serving.release.contents.sbom import ModelFile
from serving.release.scan.report import ScanReport
from serving.release.signing import PublicKey, Signer
from tests.unit.image_cases import BASE, PACKAGES, Content, metadata, tar

KEPT = CUSTOMER / "verify.sh"
"""The script that a customer has kept."""
MADE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PURPOSE, LIMITS = "Forecasts the oil of an oven.", "Not for ovens that are out of doors."
MEASURED: dict[str, Any] = {
    "rows": {"compared": 120, "first": "2020-01-20T00:00:00Z", "last": "2020-01-25T00:00:00Z"},
    "metrics": {"mae": 0.5, "rmse": 0.75, "skill_vs_persistence": 0.25},
    "baselines": {"persistence": {"mae": 0.625, "rmse": 1.0}},
    "entities": [{"entity": "a", "rows": 120, "mse_scaled": 0.04, "mae_scaled": 0.125}],
    "steps": {"candidate": {"mse_scaled": [0.1, 0.2, 0.3], "mae_scaled": [0.25, 0.375, 0.5]}},
}
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


@dataclass(frozen=True)
class SavedImage:
    """An image as an engine saves it.

    Attributes:
        config: Its configuration, JSON.
        layers: Its layers, lowest first.
    """

    config: bytes
    layers: tuple[bytes, ...]

    @classmethod
    def of(cls, *layers: bytes, labels: Mapping[str, str] | None = None) -> "SavedImage":
        """An image of some layers."""
        digests = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Labels": labels},
            "rootfs": {"type": "layers", "diff_ids": digests},
        }
        return cls(json.dumps(config).encode(), layers)

    @property
    def id(self) -> str:
        return f"sha256:{hashlib.sha256(self.config).hexdigest()}"

    def save(self, path: Path) -> None:
        """Writes it as `docker image save` does."""
        names = [f"{number}/layer.tar" for number, _ in enumerate(self.layers)]
        manifest = [{"Config": "config.json", "RepoTags": None, "Layers": names}]
        files = {"config.json": self.config, "manifest.json": json.dumps(manifest).encode()}
        path.write_bytes(tar(files | dict(zip(names, self.layers, strict=True))))


class SmallEngine:
    """Stands for the command line `docker`, as far as `write_layout` asks it."""

    def __init__(self, *images: SavedImage) -> None:
        self.images = {image.id: image for image in images}

    def __call__(self, *arguments: str) -> str:
        assert arguments[:2] == ("image", "save")
        self.images[arguments[-1]].save(Path(arguments[2].removeprefix("--output=")))
        return ""


def image(version: str) -> SavedImage:
    """A small image with a package of a version."""
    package: dict[str, Content] = {
        f"{PACKAGES}/alpha-{version}.dist-info/METADATA": metadata("alpha", version)
    }
    return SavedImage.of(tar(BASE), tar(package))


def layout(saved: SavedImage, place: Path) -> OciImage:
    """An image as an OCI layout."""
    place.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(oci, "docker", SmallEngine(saved))
        return write_layout(saved.id, place, cache=place.parent / "layers")


def facts(found: OciImage, signer: Signer, version: str = "3", **given: Any) -> ReleaseFacts:
    fields: dict[str, Any] = {
        "model": "oven",
        "version": version,
        "image": f"oven:{immutable_tag(version, found.digest)}",
        "image_digest": found.digest,
        "image_id": found.image_id,
        "platform": "linux/amd64",
        "data_version": "d" * 64,
        "git_commit": "0123456789abcdef0123456789abcdef01234567",
        "mlflow_run": "run1",
        "model_digest": "c" * 64,
        "lock_digest": "a" * 64,
        "training_lock_digest": "b" * 64,
        "base_image": "ml-assets-serve:0.1.0",
        "base_image_id": f"sha256:{'e' * 64}",
        "registered": MADE,
        "released": MADE,
        "key_fingerprint": signer.public_key().fingerprint,
        "development_key": signer.is_development,
        "golden_requests": 2,
        "support_contact": "help@example.org",
        "ledger": "12:ab01",
    }
    return ReleaseFacts.model_validate(fields | given)


def parts(found: OciImage, about: ReleaseFacts, **given: Any) -> Parts:
    golden = [{"data": {"OT": [1.0]}, "predictions": [2.0], "probabilities": None}] * 2
    fields: dict[str, Any] = {
        "facts": about,
        "image": found,
        "contents": read_image(found.layers),
        "model": [ModelFile("model.json", about.model_digest), ModelFile("model.ubj", "f" * 64)],
        "measured": Measured.model_validate(MEASURED),
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
        about = facts(found, signer, version)
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
