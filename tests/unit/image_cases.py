"""Small images: layers as archives that tests write."""

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

Content = bytes | str | None | tuple[bytes, str]
"""What stands at a path: a file, a text, a directory, or a link and where it leads to."""
HARD, SYMBOLIC = tarfile.LNKTYPE, tarfile.SYMTYPE

STATUS = """\
Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2.15-2+b13
Source: bash (5.2.15-2)
Description: GNU shell
 It goes on.

Package: libstdc++6
Status: install ok installed
Architecture: amd64
Source: gcc-12
Version: 12.2.0-14

Package: gone
Status: deinstall ok config-files
Version: 1.0
"""
OS_RELEASE = 'ID=debian\nVERSION_ID="12"\n'
COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: somebody
License: GPL-3+
 On Debian systems it is in /usr/share/common-licenses/GPL-3.

Files: lib/*
Copyright: somebody else
License: Expat
"""
PACKAGES = "opt/venv/lib/python3.11/site-packages"
BASE: dict[str, Content] = {
    "var/lib/dpkg/status": STATUS,
    "etc/os-release": (SYMBOLIC, "../usr/lib/os-release"),
    "usr/lib/os-release": OS_RELEASE,
    "usr/share/doc/bash/copyright": COPYRIGHT,
    "usr/share/common-licenses/GPL-3": "The text of the GPL.\n",
    "usr/local/bin/python3.11": b"\x7fELF\0 3.2.0\0 3.11.14\0",
    "usr/local/lib/python3.11/LICENSE.txt": "The text of the PSF.\n",
}


def metadata(name: str, version: str, *lines: str) -> str:
    return "\n".join(("Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *lines, ""))


def tar(files: Mapping[str, Content]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            if content is None:
                entry.type = tarfile.DIRTYPE
                archive.addfile(entry)
            elif isinstance(content, tuple):
                entry.type, entry.linkname = content
                archive.addfile(entry)
            else:
                data = content.encode() if isinstance(content, str) else content
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def layer(path: Path, files: Mapping[str, Content], *, compressed: bool = False) -> Path:
    """Writes a layer."""
    path.write_bytes(gzip.compress(tar(files)) if compressed else tar(files))
    return path


def layers(directory: Path, *contents: Mapping[str, Content]) -> list[Path]:
    """Writes layers, the lowest first."""
    return [layer(directory / f"layer{number}.tar", files) for number, files in enumerate(contents)]
