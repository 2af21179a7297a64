"""CHANGES: what is different from the release before."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from serving.release.bundle.facts import ReleaseFacts
from serving.release.bundle.measured import Scores

PACKAGES = {"library", "platform"}
"""CycloneDX's names for what an SBOM lists besides the model; the interpreter is a platform."""


def change_notes(
    facts: ReleaseFacts,
    metrics: Scores,
    packages: Mapping[str, str],
    *,
    before: "Earlier | str | None",
) -> str:
    """The notes as Markdown.

    Args:
        facts: What the release is.
        metrics: Figures of the model.
        packages: Version of each package in the image.
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


class Earlier:
    """A release before this one, out of the files of its bundle."""

    def __init__(self, *, facts: bytes, card: bytes, sbom: bytes) -> None:
        self.facts = ReleaseFacts.model_validate_json(facts)
        self.metrics: Scores = json.loads(card)["evaluation"]["metrics"]
        self.packages = packages_of(json.loads(sbom))


def packages_of(sbom: Mapping[str, Any]) -> dict[str, str]:
    """Version of each package that a CycloneDX SBOM lists, by its name."""
    return {
        one["name"]: one["version"]
        for one in sbom.get("components", [])
        if one["type"] in PACKAGES and "version" in one
    }


def _facts(before: ReleaseFacts, now: ReleaseFacts) -> Iterator[str]:
    told = {
        "model": ("model_digest", "the same model", "another model"),
        "data": ("data_version", "fitted on the same data", "fitted on other data"),
        "code": ("git_commit", "fitted by the same code", "fitted by other code"),
        "base": ("base_image_id", "on the same base image", "on another base image"),
    }
    for field, same, other in told.values():
        is_same = getattr(before, field) == getattr(now, field)
        yield f"- {same}" if is_same else f"- {other}: `{getattr(now, field) or 'unknown'}`"


def _metrics(before: Scores, now: Scores) -> Iterator[str]:
    yield "\n## Figures\n"
    yield "Each on the test rows of its own evaluation.\n"
    yield "| | before | now |\n|---|---:|---:|"
    for name in {**now, **before}:
        yield f"| {name} | {_number(before.get(name))} | {_number(now.get(name))} |"


def _packages(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    yield "\n## Packages in the image\n"
    names = sorted(name for name in {**before, **now} if before.get(name) != now.get(name))
    if not names:
        yield "The same."
        return
    yield "| | before | now |\n|---|---|---|"
    for name in names:
        yield f"| {name} | {before.get(name, 'none')} | {now.get(name, 'none')} |"


def _number(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.4g}"
