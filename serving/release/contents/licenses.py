"""The file LICENSES: which package is under which licence, and each licence's text once."""

from collections.abc import Iterable, Sequence

from serving.release.contents.packages import Kind, LicenceText, Package

RULE = "=" * 100
HEADER = ("Package", "Version", "From", "Licence")
FROM = {Kind.PYTHON: "PyPI", Kind.DEBIAN: "Debian", Kind.INTERPRETER: "python.org"}
UNSTATED = "not stated"
OWN = """\
The code of the service, ml-assets, is under the Apache License 2.0, whose text stands below with
the packages that are under it too. Under which terms the model is used, its supplier says.
"""


def build_licenses(title: str, packages: Sequence[Package]) -> bytes:
    """The file; the same for the same packages.

    Args:
        title: What the packages are of, such as ``iris v3``.
        packages: What `read_image` has found.
    """
    ordered = sorted({one.key: one for one in reversed(packages)}.items())
    distinct = [package for _, package in ordered]
    parts = [
        f"Licences of the packages in the image of {title}\n",
        OWN,
        _table(distinct),
        _without_text(distinct),
        *_texts(packages),
    ]
    return "\n".join(part for part in parts if part).encode()


def _table(packages: Iterable[Package]) -> str:
    rows = [HEADER, *(_row(package) for package in packages)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines) + "\n"


def _row(package: Package) -> tuple[str, str, str, str]:
    licence = " ".join(package.licence.split()) or UNSTATED
    return package.name, package.version, FROM[package.kind], licence


def _without_text(packages: Iterable[Package]) -> str:
    names = [_title(package) for package in packages if not package.texts]
    if not names:
        return ""
    said = "The image holds no licence text of its own for these packages:"
    return "\n".join((said, *(f"  {name}" for name in names), ""))


def _texts(packages: Iterable[Package]) -> list[str]:
    """Each text below the names of the packages that bring it."""
    users: dict[str, set[str]] = {}
    for package in packages:
        for text in package.texts:
            users.setdefault(_tidied(text), set()).add(_title(package))
    named = sorted((sorted(names, key=str.lower), text) for text, names in users.items())
    return [
        "\n".join((RULE, *(f"  {name}" for name in names), RULE, "", text)) for names, text in named
    ]


def _tidied(text: LicenceText) -> str:
    """A text without the blanks at ends of lines, in which the same texts often differ."""
    lines = [line.rstrip() for line in text.text.replace("\f", "\n").splitlines()]
    return "\n".join(lines).strip("\n") + "\n"


def _title(package: Package) -> str:
    return f"{package.name} {package.version} ({FROM[package.kind]})"
