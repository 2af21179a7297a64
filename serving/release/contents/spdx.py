"""Tells a licence's SPDX expression from what authors of packages write."""

import re
from collections.abc import Iterable

from cyclonedx.spdx import fixup_id, is_expression

CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "zlib/libpng License": "Zlib",
}
"""Classifiers of PyPI that mean one licence; "BSD License", for one, may be any of several."""

NAMES = {
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "artistic": "Artistic-1.0-Perl",
    "bsd 3-clause": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "new bsd": "BSD-3-Clause",
    "bsd 2-clause": "BSD-2-Clause",
    "expat": "MIT",
    "mit license": "MIT",
    "the mit license": "MIT",
    "mpl 2.0": "MPL-2.0",
    "psfl": "PSF-2.0",
}
"""Names that are often written where an SPDX identifier is meant; Debian writes Expat for MIT."""

GNU = re.compile(r"(A?GPL|LGPL|GFDL)-(\d)(?:\.(\d))?(?:\.0)?(\+?)", re.IGNORECASE)
"""Debian's names of the GNU licences, such as ``GPL-2+``."""


def expression(said: str) -> str | None:
    """The SPDX expression that a text is or means; None if it can't be told."""
    said = " ".join(said.split())
    known = _gnu(said) or fixup_id(said) or NAMES.get(said.lower())
    if known:
        return known
    if not re.search(r"\s(and|or|with)\s", said, re.IGNORECASE):
        return None
    upper = re.sub(r"\s(and|or|with)\s", lambda word: word[0].upper(), said, flags=re.IGNORECASE)
    return upper if is_expression(upper) else None


def of_classifiers(classifiers: Iterable[str]) -> str | None:
    """The expression that PyPI's classifiers mean, if they name one licence and no more."""
    names = licence_names(classifiers)
    return CLASSIFIERS.get(names[0]) if len(names) == 1 else None


def licence_names(classifiers: Iterable[str]) -> list[str]:
    """The names of licences among PyPI's classifiers."""
    found = (one.split(" :: ") for one in classifiers if one.startswith("License ::"))
    return [parts[-1] for parts in found if parts[-1] != "OSI Approved"]


def all_of(names: Iterable[str]) -> str:
    """The licence of something whose parts have these; their names if it can't be expressed."""
    distinct = sorted({*names})
    known = [_debian(name) for name in distinct]
    told = sorted({one for one in known if one})
    if len(distinct) == 1:
        return told[0] if told else distinct[0]
    if None in known:
        return ", ".join(distinct)
    return " AND ".join(f"({one})" if " OR " in one else one for one in told)


def _debian(name: str) -> str | None:
    """An expression of Debian's names: ``GPL-2+ or MIT``; a comma there binds less than a word."""
    parts = re.split(r",?\s+(and|or)\s+", name)
    words = [part.upper() if part in {"and", "or"} else expression(part) for part in parts]
    joined = " ".join(word or "?" for word in words)
    return joined if is_expression(joined) or fixup_id(joined) else None


def _gnu(name: str) -> str | None:
    found = GNU.fullmatch(name)
    if found is None:
        return None
    family, major, minor, later = found.groups()
    return fixup_id(f"{family}-{major}.{minor or 0}-{'or-later' if later else 'only'}")
