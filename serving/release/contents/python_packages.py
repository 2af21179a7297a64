"""The Python packages of an image: distributions, wherever they lie, and the interpreter."""

import re
from email.message import Message
from email.parser import Parser

from serving.release.contents import spdx
from serving.release.contents.filesystem import FileSystem
from serving.release.contents.layers import ContentsError
from serving.release.contents.packages import Kind, LicenceText, Package

METADATA = re.compile(r"(?:.*/)?[^/]+(?:\.dist-info/METADATA|\.egg-info/PKG-INFO|\.egg-info)")
TEXTS = re.compile(
    r"(?P<of>(?:.*/)?[^/]+\.(?:dist|egg)-info)/"
    r"(?:licenses?/.+|license_files/.+|[^/]*(?:LICEN[CS]E|COPYING|NOTICE|AUTHORS)[^/]*)",
    re.IGNORECASE,
)
INTERPRETER = re.compile(r"(usr/(?:local/)?)bin/python(\d\.\d+)")
OF_INTERPRETER = re.compile(
    r"usr/(?:local/)?(?:bin/python\d\.\d+"
    r"|lib/(?:[^/]+/)?libpython\d\.\d+\.so\.1\.0"
    r"|include/python\d\.\d+/patchlevel\.h"
    r"|lib/python\d\.\d+/LICENSE\.txt)"
)
NAME_LENGTH = 80
"""Characters of a field that may still be a licence's name; a longer one is its text."""


def is_wanted(path: str) -> bool:
    """Whether a file says something about Python's packages or the interpreter."""
    return any(one.fullmatch(path) for one in (METADATA, TEXTS, OF_INTERPRETER))


def distributions(system: FileSystem) -> list[Package]:
    """The installed distributions, wherever they lie, those that others carry along too.

    Raises:
        ContentsError: One of them does not tell its name or version.
    """
    texts: dict[str, list[LicenceText]] = {}
    for path in system.files(lambda path: TEXTS.fullmatch(path) is not None):
        found = TEXTS.fullmatch(path)
        text = system.text(path)
        if found and text is not None:
            texts.setdefault(found["of"], []).append(LicenceText(path, text))
    paths = system.files(lambda path: METADATA.fullmatch(path) is not None)
    return [_distribution(system, path, texts) for path in paths]


def interpreters(system: FileSystem) -> list[Package]:
    """The interpreters below ``/usr`` and ``/usr/local``, which no package manager may know.

    Raises:
        ContentsError: The version of one can't be told.
    """
    paths = system.files(lambda path: INTERPRETER.fullmatch(path) is not None)
    return [_interpreter(system, path) for path in paths if not system.nodes[path].link]


def _distribution(system: FileSystem, path: str, texts: dict[str, list[LicenceText]]) -> Package:
    fields = Parser().parsestr(system.text(path) or "", headersonly=True)
    name, version = fields.get("Name", "").strip(), fields.get("Version", "").strip()
    if not name or not version:
        raise ContentsError(
            f"{path} does not say what is installed there (name {name!r}, version {version!r}); "
            "install it again and build the image again"
        )
    brought = list(texts.get(path.rpartition("/")[0], ()))
    said = fields.get("License", "").strip()
    if "\n" in said or len(said) > NAME_LENGTH:
        brought.append(LicenceText(path, said))
    return Package(Kind.PYTHON, name, version, path, _licence(fields), tuple(sorted(brought)))


def _licence(fields: Message) -> str:
    """The licence as its fields tell it, the most exact one first."""
    said: str = fields.get("License", "").strip()
    said = "" if "\n" in said or len(said) > NAME_LENGTH or said == "UNKNOWN" else said
    classifiers: list[str] = fields.get_all("Classifier", [])
    stated: str = fields.get("License-Expression", "").strip()
    named = said or ", ".join(spdx.licence_names(classifiers))
    told = spdx.expression(stated) or stated or spdx.expression(said)
    return told or spdx.of_classifiers(classifiers) or named


def _interpreter(system: FileSystem, path: str) -> Package:
    found = INTERPRETER.fullmatch(path)
    prefix, short = found.groups() if found else ("", "")
    place = f"{prefix}lib/python{short}/LICENSE.txt"
    text = system.text(place)
    texts = () if text is None else (LicenceText(place, text),)
    version = _header_version(system, prefix, short) or _binary_version(system, prefix, short)
    return Package(Kind.INTERPRETER, "cpython", version, path, "PSF-2.0", texts)


def _header_version(system: FileSystem, prefix: str, short: str) -> str:
    header = system.text(f"{prefix}include/python{short}/patchlevel.h") or ""
    found = re.search(r'^#define\s+PY_VERSION\s+"([^"]+)"', header, re.MULTILINE)
    return found[1] if found else ""


def _binary_version(system: FileSystem, prefix: str, short: str) -> str:
    """The only version of that series that the interpreter or its library contains."""
    pattern = rf"{prefix}(?:bin/python|lib/(?:[^/]+/)?libpython){re.escape(short)}(?:\.so\.1\.0)?"
    paths = system.files(lambda path: re.fullmatch(pattern, path) is not None)
    number = re.compile(rb"(?<![\d.])" + re.escape(short.encode()) + rb"\.\d+(?:(?:a|b|rc)\d+)?")
    found: set[bytes] = {one for path in paths for one in number.findall(system.read(path) or b"")}
    if len(found) != 1:
        raise ContentsError(
            f"the version of the interpreter {prefix}bin/python{short} can't be told: "
            f"{sorted(found) or 'it contains none'}; use a base image of python.org's or Debian's"
        )
    return found.pop().decode()
