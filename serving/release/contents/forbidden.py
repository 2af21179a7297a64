"""Finds what no released image may hold: secrets, our own code and data, build tools.

Each layer is looked at by itself: what a later layer takes away is still in the archive. So is the
configuration, whose variables, labels and history can hold secrets too.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from serving.release.contents.layers import Entry, entries
from serving.release.contents.rules import RULES, SECRETS

CONFIGURATION = "configuration"
LARGEST_TEXT = 1 << 20
"""Bytes from which on a file is no text that somebody has written."""
PROBE = 8192
"""Bytes at the beginning of a file that tell whether it is text."""


@dataclass(frozen=True)
class Finding:
    """Something that is not to be in a layer.

    Attributes:
        layer: Name of the layer's archive, or `CONFIGURATION`.
        path: Where it is in there.
        why: What is wrong with it.
    """

    layer: str
    path: str
    why: str


def find_forbidden(layers: Sequence[Path]) -> list[Finding]:
    """What the layers hold that they must not; empty if nothing.

    Args:
        layers: Archives of all layers of an image, tar or tar.gz.

    Raises:
        ContentsError: A layer is damaged.
    """
    return [
        Finding(layer.name, entry.path, why)
        for layer in layers
        for entry in entries(layer)
        for why in dict.fromkeys(_reasons(entry))
    ]


def find_in_configuration(content: bytes) -> list[Finding]:
    """What the configuration of an image holds that it must not; empty if nothing.

    Args:
        content: The configuration, JSON.
    """
    return [
        Finding(CONFIGURATION, place, why)
        for place, text in _texts(json.loads(content))
        for why in _secrets(text.encode())
    ]


def _texts(found: JsonValue, place: str = CONFIGURATION) -> Iterator[tuple[str, str]]:
    """All texts of a JSON document, and where they are."""
    if isinstance(found, str):
        yield place, found
    if isinstance(found, list):
        found = {str(position): one for position, one in enumerate(found)}
    if isinstance(found, dict):
        for name, one in found.items():
            yield from _texts(one, f"{place}.{name}")


def _reasons(entry: Entry) -> Iterator[str]:
    if entry.is_whiteout:
        return
    yield from (rule.why for rule in RULES if rule.pattern.fullmatch(entry.path))
    if entry.info.isreg() and entry.info.size < LARGEST_TEXT:
        content = entry.read()
        if b"\0" not in content[:PROBE]:
            yield from _secrets(content)


def _secrets(content: bytes) -> Iterator[str]:
    for secret in SECRETS:
        if secret.begins in content and secret.pattern.search(content):
            yield secret.why
