"""The Debian packages of an image, as dpkg has noted them."""

import re
from collections.abc import Iterator

from serving.release.contents import spdx
from serving.release.contents.filesystem import FileSystem
from serving.release.contents.layers import ContentsError
from serving.release.contents.packages import Kind, LicenceText, Package

STATUS = re.compile(r"var/lib/dpkg/(?:status|status\.d/[^/]+(?<!\.md5sums))")
COPYRIGHT = re.compile(r"usr/share/doc/[^/]+/copyright")
COMMON = re.compile(r"usr/share/common-licenses/[^/]+")
RELEASE = re.compile(r"(?:etc|usr/lib)/os-release")
SOURCE = re.compile(r"(?P<name>\S+)(?:\s+\((?P<version>[^)]+)\))?")

Stanza = dict[str, str]


def is_wanted(path: str) -> bool:
    """Whether a file says something about Debian's packages."""
    return any(one.fullmatch(path) for one in (STATUS, COPYRIGHT, COMMON, RELEASE))


def packages(system: FileSystem) -> list[Package]:
    """The packages that are installed; none if the image is not of Debian.

    Raises:
        ContentsError: The notes of dpkg can't be understood.
    """
    release = release_of(system)
    return [
        _package(system, stanza, path, release)
        for path in system.files(lambda path: STATUS.fullmatch(path) is not None)
        for stanza in stanzas(system.text(path) or "")
        if stanza.get("Status", "install ok installed").endswith(" installed")
    ]


def release_of(system: FileSystem) -> str:
    """The release of Debian, such as ``12``; empty if the image does not say."""
    text = system.text("etc/os-release") or system.text("usr/lib/os-release") or ""
    fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    is_debian = fields.get("ID", "").strip("\"'") == "debian"
    return fields.get("VERSION_ID", "").strip("\"'") if is_debian else ""


def stanzas(text: str) -> Iterator[Stanza]:
    """The paragraphs of a control file; lines that go on are joined by line breaks."""
    for paragraph in re.split(r"\n[ \t]*\n", text.strip()):
        fields: Stanza = {}
        key = ""
        for line in paragraph.splitlines():
            if line[:1] in {" ", "\t"} and key:
                fields[key] += "\n" + line.strip()
            elif ":" in line:
                key, _, value = line.partition(":")
                fields[key] = value.strip()
        if fields:
            yield fields


def _package(system: FileSystem, stanza: Stanza, path: str, release: str) -> Package:
    name, version = stanza.get("Package", ""), stanza.get("Version", "")
    if not name or not version:
        raise ContentsError(
            f"{path} has a package without a name or version: {dict(list(stanza.items())[:3])}; "
            "build the image again on a base that is whole"
        )
    source = SOURCE.match(stanza.get("Source", name))
    texts = _texts(system, name)
    return Package(
        Kind.DEBIAN,
        name,
        version,
        path,
        _licence(texts[0].text) if texts else "",
        texts,
        architecture=stanza.get("Architecture", ""),
        release=release,
        source=source["name"] if source else name,
        source_version=(source and source["version"]) or version,
    )


def _texts(system: FileSystem, name: str) -> tuple[LicenceText, ...]:
    """Its copyright file, and the common licences that this refers to."""
    path = f"usr/share/doc/{name}/copyright"
    text = system.text(path)
    if text is None:
        return ()
    referred = sorted({*re.findall(r"/(usr/share/common-licenses/[\w.+-]*\w)", text)})
    common = [(one, system.text(one)) for one in referred]
    return (
        LicenceText(path, text),
        *(LicenceText(one, found) for one, found in common if found is not None),
    )


def _licence(text: str) -> str:
    """The licence of all parts that a copyright file lists; empty if no machine can read it."""
    if not text.lstrip().startswith("Format:"):
        return ""
    files = [one for one in stanzas(text) if "Files" in one and "License" in one]
    return spdx.all_of(one["License"].splitlines()[0] for one in files if one["License"])
