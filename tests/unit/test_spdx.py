"""SPDX expressions of what authors of packages write."""

import pytest

from serving.release.contents import spdx


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("MIT", "MIT"),
        ("apache-2.0", "Apache-2.0"),
        ("Apache 2.0", "Apache-2.0"),
        ("Apache License 2.0", "Apache-2.0"),
        ("Apache-2.0 OR BSD-2-Clause", "Apache-2.0 OR BSD-2-Clause"),
        ("MIT and Zlib", "MIT AND Zlib"),
        ("GPL-2+", "GPL-2.0-or-later"),
        ("LGPL-2.1", "LGPL-2.1-only"),
        ("BSD", None),
        ("see the file COPYING", None),
        ("MIT AND something else", None),
        ("", None),
    ],
)
def test_an_expression_is_told_from_words(said: str, meant: str | None) -> None:
    assert spdx.expression(said) == meant


@pytest.mark.parametrize(
    ("names", "meant"),
    [
        (["MIT License"], "MIT"),
        (["BSD License"], None),
        (["MIT License", "Apache Software License"], None),
        ([], None),
    ],
)
def test_one_classifier_that_means_one_licence_tells_it(
    names: list[str], meant: str | None
) -> None:
    classifiers = ["License :: OSI Approved", "Topic :: X"]
    classifiers += [f"License :: OSI Approved :: {name}" for name in names]
    assert spdx.of_classifiers(classifiers) == meant


@pytest.mark.parametrize(
    ("names", "meant"),
    [
        (["Expat"], "MIT"),
        (["GPL-2+", "Expat", "GPL-2+"], "GPL-2.0-or-later AND MIT"),
        (["GPL-2+ or Artistic", "Expat"], "(GPL-2.0-or-later OR Artistic-1.0-Perl) AND MIT"),
        (["GPL-2+", "public-domain"], "GPL-2+, public-domain"),
        (["public-domain"], "public-domain"),
        ([], ""),
    ],
)
def test_the_licences_of_all_parts_are_joined(names: list[str], meant: str) -> None:
    assert spdx.all_of(names) == meant
