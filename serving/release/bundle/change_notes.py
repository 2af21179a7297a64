"""CHANGES: what is different from the release before."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from packageurl import PackageURL

from serving.release.bundle.facts import ReleaseFacts
from serving.release.bundle.measured import Scores
from serving.release.markdown import number, table

HEADER = ("", "before", "now")
PACKAGES = {"library", "platform"}
"""CycloneDX's names for what an SBOM lists besides the model; the interpreter is a platform."""

Packages = Mapping[str, tuple[str, ...]]
"""The versions of each package: several where it lies in several places."""


@dataclass(frozen=True)
class Earlier:
    """A release before this one.

    Attributes:
        facts: What it is.
        metrics: Figures of its model.
        packages: The packages in its image.
    """

    facts: ReleaseFacts
    metrics: Scores
    packages: Packages

    @classmethod
    def read(cls, *, facts: bytes, card: bytes, sbom: bytes) -> "Earlier":
        """The release that these files of a bundle are of.

        Raises:
            ValueError: One of them is not what releases write; so do KeyError and TypeError say.
        """
        metrics = json.loads(card)["evaluation"]["metrics"]
        return cls(ReleaseFacts.model_validate_json(facts), metrics, packages_of(json.loads(sbom)))


def change_notes(
    facts: ReleaseFacts,
    metrics: Scores,
    packages: Packages,
    *,
    before: Earlier | str | None,
) -> str:
    """The notes as Markdown.

    Args:
        facts: What the release is.
        metrics: Figures of the model.
        packages: The packages in the image.
        before: The release before; its name alone if its bundle is not kept any more; None if there
            was none.
    """
    title = f"# Changes of {facts.label}\n"
    if before is None:
        return f"{title}\nThe first release of this model.\n"
    if isinstance(before, str):
        return f"{title}\nThe release before, {before}, is not kept any more to compare with.\n"
    parts = [
        f"Since {before.facts.label} (image `{before.facts.image_digest}`):\n",
        *_facts(before.facts, facts),
        *_metrics(before.metrics, metrics),
        *_packages(before.packages, packages),
    ]
    return "\n".join([title, *parts]) + "\n"


def packages_of(sbom: Mapping[str, Any]) -> Packages:
    """The packages that a CycloneDX SBOM lists."""
    found: dict[str, set[str]] = {}
    for one in sbom.get("components", []):
        if one["type"] in PACKAGES and {"version", "purl"} <= one.keys():
            found.setdefault(_name(one["purl"]), set()).add(one["version"])
    return {name: tuple(sorted(versions)) for name, versions in found.items()}


def _name(purl: str) -> str:
    """The name of a package with its ecosystem: ``pypi/tzdata``, ``deb/debian/tzdata``."""
    url = PackageURL.from_string(purl)
    return "/".join(part for part in (url.type, url.namespace, url.name) if part)


def _facts(before: ReleaseFacts, now: ReleaseFacts) -> Iterator[str]:
    told = (
        ("model_digest", "the same model", "another model"),
        ("data_version", "fitted on the same data", "fitted on other data"),
        ("git_commit", "fitted by the same code", "fitted by other code"),
        ("base_image_id", "on the same base image", "on another base image"),
    )
    for field, same, other in told:
        is_same = getattr(before, field) == getattr(now, field)
        yield f"- {same}" if is_same else f"- {other}: `{getattr(now, field) or 'unknown'}`"


def _metrics(before: Scores, now: Scores) -> Iterator[str]:
    yield "\n## Figures\n"
    yield "Each on the test rows of its own evaluation.\n"
    names = {**now, **before}
    rows = ([name, number(before.get(name)), number(now.get(name))] for name in names)
    yield from table(HEADER, rows, numbers=True)


def _packages(before: Packages, now: Packages) -> Iterator[str]:
    yield "\n## Packages in the image\n"
    names = sorted(name for name in {**before, **now} if before.get(name) != now.get(name))
    if not names:
        yield "The same."
        return
    none = ("none",)
    rows = (
        [name, *(", ".join(packages.get(name, none)) for packages in (before, now))]
        for name in names
    )
    yield from table(HEADER, rows)
