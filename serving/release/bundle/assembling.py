"""Puts the files of a bundle together."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from string import Template
from typing import Any

from serving.release import differences
from serving.release.bundle.archive import pack
from serving.release.bundle.change_notes import Earlier, change_notes, packages_of
from serving.release.bundle.facts import RELEASE, ReleaseFacts
from serving.release.bundle.measured import Measured
from serving.release.bundle.model_card import card_json, card_markdown
from serving.release.bundle.oci import OciImage, name_image
from serving.release.bundle.provenance import provenance
from serving.release.contents.image import ImageContents
from serving.release.contents.licenses import build_licenses
from serving.release.contents.sbom import ImageFacts, ModelFile, build_sbom
from serving.release.scan.report import ScanReport

CUSTOMER = Path(__file__).parent / "customer"
"""What customers get as it is, or with the facts of the release filled in."""
AS_IT_IS = ("verify.sh",)
FILLED_IN = ("README.md", "docker-compose.yml", "kubernetes.yaml")
IMAGE, SBOM, PROVENANCE, CARD = "image.tar", "sbom.cdx.json", "provenance.json", "model-card.json"
OPENAPI, SERVICE, SCAN = "openapi.json", "service.md", "scan.json"
GOLDEN = "golden/requests.jsonl.gz"


@dataclass(frozen=True)
class Parts:
    """What a bundle is made of.

    Attributes:
        facts: What the release is.
        image: The image, as an OCI layout.
        contents: What the image holds.
        model: The files of its model.
        measured: What the evaluation measured.
        purpose: What the model is for.
        limits: What it is not for.
        told: What the service says of its model, JSON.
        openapi: What it says of its addresses, JSON.
        example: A request that the model answers, JSON.
        golden: The file of golden requests.
        service_page: The page on the service, Markdown.
        scan: What the scan for advisories has found.
        before: The release before; its name alone if its bundle is not kept any more; None if there
            was none.
        run: The Dagster run.
        started: When that began.
        builder: Versions of what built it, by name.
    """

    facts: ReleaseFacts
    image: OciImage
    contents: ImageContents
    model: Sequence[ModelFile]
    measured: Measured
    purpose: str
    limits: str
    told: bytes
    openapi: bytes
    example: bytes
    golden: bytes
    service_page: bytes
    scan: ScanReport
    before: Earlier | str | None
    run: str
    started: datetime
    builder: Mapping[str, str]


def assemble(directory: Path, parts: Parts) -> None:
    """Writes all files of a bundle but the signed list of them.

    Raises:
        OSError: They can't be written.
    """
    facts = parts.facts
    for name, content in _contents(parts):
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    name_image(parts.image.directory, facts.image_digest, facts.image)
    pack(parts.image.directory, directory / IMAGE, epoch=int(facts.registered.timestamp()))


def _contents(parts: Parts) -> Iterator[tuple[str, bytes]]:
    facts = parts.facts
    yield RELEASE, _json(facts.model_dump(mode="json"))
    yield from _from_templates(facts)
    yield from _card(parts)
    yield from _packages(parts)
    statement = provenance(facts, run=parts.run, started=parts.started, builder=parts.builder)
    yield PROVENANCE, _json(statement)
    yield OPENAPI, _json(json.loads(parts.openapi))
    yield SERVICE, parts.service_page
    yield "example.json", parts.example
    yield GOLDEN, parts.golden
    yield "golden/check.py", Path(differences.__file__).read_bytes()


def _from_templates(facts: ReleaseFacts) -> Iterator[tuple[str, bytes]]:
    for name in AS_IT_IS:
        yield name, (CUSTOMER / name).read_bytes()
    values = {
        **facts.model_dump(mode="json"),
        "slug": facts.model.replace("_", "-").strip("-"),
        "help": facts.support_contact or "whoever gave you this release.",
    }
    for name in FILLED_IN:
        template = Template((CUSTOMER / name).read_text(encoding="utf-8"))
        yield name, template.substitute(values).encode()


def _card(parts: Parts) -> Iterator[tuple[str, bytes]]:
    card = card_json(
        parts.facts,
        json.loads(parts.told),
        parts.measured,
        purpose=parts.purpose,
        limits=parts.limits,
    )
    yield CARD, _json(card)
    yield "model-card.md", card_markdown(card, parts.measured).encode()


def _packages(parts: Parts) -> Iterator[tuple[str, bytes]]:
    facts, packages = parts.facts, parts.contents.packages
    image = ImageFacts(
        name=facts.model,
        version=f"v{facts.version}",
        manifest=facts.image_digest,
        id=facts.image_id,
        created=facts.registered,
    )
    sbom = build_sbom(image, packages, parts.model)
    yield SBOM, sbom
    yield "LICENSES", build_licenses(facts.label, packages)
    listed = packages_of(json.loads(sbom))
    notes = change_notes(facts, parts.measured.metrics, listed, before=parts.before)
    yield "CHANGES.md", notes.encode()
    yield SCAN, parts.scan.to_json()
    yield "scan.md", parts.scan.to_markdown().encode()


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=2, sort_keys=True).encode() + b"\n"
