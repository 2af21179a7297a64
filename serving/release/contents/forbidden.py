"""Finds what no layer of a released image may hold: secrets, our own code and data, build tools.

Each layer is looked at by itself: what a later layer takes away is still in the archive.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from serving.release.contents.layers import Entry, entries
from serving.release.contents.rules import RULES, SECRETS

LARGEST_TEXT = 1 << 20
"""Bytes from which on a file is no text that somebody has written."""
PROBE = 8192
"""Bytes at the beginning of a file that tell whether it is text."""


@dataclass(frozen=True)
class Finding:
    """Something that is not to be in a layer.

    Attributes:
        layer: Name of the layer's archive.
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


def _reasons(entry: Entry) -> Iterator[str]:
    if entry.is_whiteout:
        return
    yield from (rule.why for rule in RULES if rule.pattern.fullmatch(entry.path))
    if entry.info.isreg() and entry.info.size < LARGEST_TEXT:
        yield from _secrets(entry.read())


def _secrets(content: bytes) -> Iterator[str]:
    if b"\0" in content[:PROBE]:
        return
    for secret in SECRETS:
        if secret.begins in content and secret.pattern.search(content):
            yield secret.why
