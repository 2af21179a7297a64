"""The file LICENSES: every package in its table, and every text once."""

from serving.release.contents.licenses import build_licenses
from serving.release.contents.packages import Kind, LicenceText, Package


def package(name: str, *texts: str, licence: str = "MIT", place: str = "x") -> Package:
    told = tuple(LicenceText(f"LICENSE{number}", text) for number, text in enumerate(texts))
    return Package(Kind.PYTHON, name, "1.0", place, licence, told)


def built(*packages: Package) -> str:
    return build_licenses("oven v3", packages).decode()


def test_the_table_has_a_row_for_each_package() -> None:
    lines = built(package("b", "T", licence="MIT OR\n Zlib"), package("a", licence="")).splitlines()
    assert [line.split() for line in lines[5:9]] == [
        ["Package", "Version", "From", "Licence"],
        ["-------", "-------", "----", "-----------"],
        ["a", "1.0", "PyPI", "not", "stated"],
        ["b", "1.0", "PyPI", "MIT", "OR", "Zlib"],
    ]


def test_a_package_in_two_places_has_one_row() -> None:
    text = built(package("a", "T"), package("a", "U", place="y"))
    assert len([line for line in text.splitlines() if line.startswith("a ")]) == 1


def test_equal_texts_stand_once_below_all_their_packages() -> None:
    text = built(package("b", "Same text \nof two.\n\n"), package("A", "Same text\r\nof two."))
    assert text.count("Same text\nof two.\n") == 1
    assert text.index("  A 1.0 (PyPI)") < text.index("  b 1.0 (PyPI)") < text.index("Same text")


def test_each_text_of_a_package_is_there() -> None:
    text = built(package("a", "First.", "Second."))
    assert "First.\n" in text
    assert "Second.\n" in text


def test_packages_without_a_text_are_named() -> None:
    text = built(package("a"), package("b", "T"))
    assert "holds no licence text of its own for these packages:\n  a 1.0 (PyPI)\n\n" in text


def test_it_is_the_same_whatever_the_order() -> None:
    packages = [package("b", "T", "U"), package("a", "T"), package("a", "V", place="y")]
    assert built(*packages) == built(*packages[::-1])
