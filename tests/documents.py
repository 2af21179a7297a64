"""What pages of the documentation tell to type, or to write into files."""

import re

from tests.conftest import ROOT


def blocks(page: str, kind: str = "") -> list[str]:
    """The blocks of a page that are marked as being of a kind, such as `yaml`."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found: list[tuple[str, str]] = re.findall(
        "^```(\\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE
    )
    return [content for marked, content in found if marked == kind]
