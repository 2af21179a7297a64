"""What pages of the documentation tell to type, to write into files, and where they lead."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.conftest import ROOT

PAGES = ("README.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/*.md")))
COMING_FROM = "## Coming from another setup"
"""Its tables have commands of others in the first column."""
_BLOCK = re.compile(
    r"(?:^<!-- not run: (.*?) -->\n)?^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True)
class Shown:
    """A command that a page tells to type.

    Attributes:
        page: The page.
        command: The command, without the ampersand that leaves it in the background.
        missing: What a test lacks to run it; empty if nothing.
    """

    page: str
    command: str
    missing: str


def text_of(page: str) -> str:
    """A page."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, kind: str = "") -> list[str]:
    """The blocks of a page that are marked as being of a kind, such as `yaml`."""
    found = _BLOCK.findall(text_of(page))
    return [content for _, marked, content in found if marked == kind]


def commands(page: str) -> Iterator[Shown]:
    """The lines of all blocks that are marked as `sh`."""
    for missing, marked, content in _BLOCK.findall(text_of(page)):
        if marked == "sh":
            for line in content.splitlines():
                yield Shown(page, line.removesuffix(" &"), missing)


def inline(page: str) -> Iterator[str]:
    """What stands between backticks in sentences and tables, without the commands of others."""
    ours = True
    for line in _BLOCK.sub("", text_of(page)).splitlines():
        if line.startswith("## "):
            ours = line != COMING_FROM
        shown = line.split("|", 2)[-1] if line.startswith("|") and not ours else line
        yield from re.findall("`([^`]+)`", shown)


def links(page: str) -> list[str]:
    """Where a page leads, without other sites."""
    found = re.findall(r"\]\(([^)\s]+)\)", _BLOCK.sub("", text_of(page)))
    return [target for target in found if "://" not in target]


def anchors(page: str) -> set[str]:
    """The names of the headings of a page, as GitHub makes them."""
    headings = re.findall("^#+ (.*)$", _BLOCK.sub("", text_of(page)), re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}
