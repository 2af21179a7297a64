"""What the layers of an image hold together, and that damage is never taken for the end."""

from pathlib import Path

import pytest

from serving.release.contents import debian
from serving.release.contents.filesystem import FileSystem
from serving.release.contents.image import read_image
from serving.release.contents.layers import ContentsError, entries
from serving.release.contents.packages import Kind, Package
from tests.unit.image_cases import (
    BASE,
    HARD,
    PACKAGES,
    SYMBOLIC,
    Content,
    layer,
    layers,
    metadata,
    tar,
)

ALPHA = f"{PACKAGES}/alpha-1.0.dist-info"


def found(directory: Path, *contents: dict[str, Content]) -> dict[str, Package]:
    """The packages of an image, by name."""
    return {one.name: one for one in read_image(layers(directory, *contents)).packages}


def test_packages_of_all_kinds_are_found(tmp_path: Path) -> None:
    upper: dict[str, Content] = {f"{ALPHA}/METADATA": metadata("alpha", "1.0")}
    told = {one.name: (one.kind, one.version) for one in found(tmp_path, BASE, upper).values()}
    assert told == {
        "alpha": (Kind.PYTHON, "1.0"),
        "bash": (Kind.DEBIAN, "5.2.15-2+b13"),
        "cpython": (Kind.INTERPRETER, "3.11.14"),
        "libstdc++6": (Kind.DEBIAN, "12.2.0-14"),
    }


def test_a_debian_package_knows_its_source_and_release(tmp_path: Path) -> None:
    packages = found(tmp_path, BASE)
    assert (packages["bash"].source, packages["bash"].source_version) == ("bash", "5.2.15-2")
    gcc = packages["libstdc++6"]
    assert (gcc.source, gcc.source_version, gcc.release) == ("gcc-12", "12.2.0-14", "12")


def test_packages_in_files_of_their_own_are_found(tmp_path: Path) -> None:
    """As in images that are made without dpkg."""
    files: dict[str, Content] = {
        "var/lib/dpkg/status.d/tzdata": "Package: tzdata\nVersion: 2026b\nArchitecture: all\n",
        "var/lib/dpkg/status.d/tzdata.md5sums": "0 usr/share/zoneinfo/UTC\n",
    }
    assert found(tmp_path, files)["tzdata"].version == "2026b"


@pytest.mark.parametrize("path", ["beta.egg-info/PKG-INFO", "beta-2.0-py3.11.egg-info"])
def test_distributions_in_the_old_form_are_found(tmp_path: Path, path: str) -> None:
    files: dict[str, Content] = {f"usr/lib/python3/dist-packages/{path}": metadata("beta", "2.0")}
    assert found(tmp_path, files)["beta"].version == "2.0"


def test_distributions_that_others_carry_are_found(tmp_path: Path) -> None:
    files: dict[str, Content] = {
        f"{PACKAGES}/setuptools/_vendor/wheel-0.4.dist-info/METADATA": metadata("wheel", "0.4")
    }
    assert "wheel" in found(tmp_path, files)


@pytest.mark.parametrize(
    "whiteout",
    [
        f"{ALPHA}/.wh.METADATA",
        f"{PACKAGES}/.wh.alpha-1.0.dist-info",
        "opt/.wh.venv",
        f"{PACKAGES}/.wh..wh..opq",
        ".wh..wh..opq",
    ],
)
def test_what_a_layer_takes_away_is_gone(tmp_path: Path, whiteout: str) -> None:
    lower: dict[str, Content] = {f"{PACKAGES}": None, f"{ALPHA}/METADATA": metadata("alpha", "1.0")}
    for path in ("opt", "opt/venv", ALPHA):
        lower[path] = None
    assert "alpha" in found(tmp_path, lower)
    assert found(tmp_path, lower, {whiteout: b""}) == {}


def test_a_whiteout_takes_nothing_away_from_its_own_layer(tmp_path: Path) -> None:
    upper: dict[str, Content] = {
        f"{PACKAGES}/beta-2.0.dist-info/METADATA": metadata("beta", "2.0"),
        f"{PACKAGES}/.wh..wh..opq": b"",
        f"{PACKAGES}/gamma-3.0.dist-info/METADATA": metadata("gamma", "3.0"),
    }
    lower: dict[str, Content] = {f"{ALPHA}/METADATA": metadata("alpha", "1.0")}
    assert [*found(tmp_path, lower, upper)] == ["beta", "gamma"]


def test_a_file_takes_the_place_of_a_directory_with_all_in_it(tmp_path: Path) -> None:
    lower: dict[str, Content] = {ALPHA: None, f"{ALPHA}/METADATA": metadata("alpha", "1.0")}
    assert found(tmp_path, lower, {ALPHA: b""}) == {}


def test_a_later_layer_replaces_a_file(tmp_path: Path) -> None:
    one: dict[str, Content] = {f"{ALPHA}/METADATA": metadata("alpha", "1.0")}
    two: dict[str, Content] = {f"./{ALPHA}/METADATA": metadata("alpha", "1.1")}
    assert found(tmp_path, one, two)["alpha"].version == "1.1"


def test_links_to_files_and_directories_are_followed(tmp_path: Path) -> None:
    files: dict[str, Content] = {
        **BASE,
        "usr/share/doc/libstdc++6": (SYMBOLIC, "bash"),
        "usr/share/doc/libstdc++6/copyright": (HARD, "usr/share/doc/bash/copyright"),
    }
    assert found(tmp_path, files)["libstdc++6"].licence == "GPL-3.0-or-later AND MIT"
    del files["usr/share/doc/libstdc++6/copyright"]
    assert found(tmp_path, files)["libstdc++6"].licence == "GPL-3.0-or-later AND MIT"


def test_links_that_go_round_lead_nowhere(tmp_path: Path) -> None:
    files: dict[str, Content] = {
        "etc/os-release": (SYMBOLIC, "/usr/lib/os-release"),
        "usr/lib/os-release": (SYMBOLIC, "../../etc/os-release"),
    }
    system = FileSystem.of(layers(tmp_path, files), wanted=lambda _: True)
    assert system.read("etc/os-release") is None
    assert debian.release_of(system) == ""


def test_a_link_to_what_was_not_read_is_no_silent_loss(tmp_path: Path) -> None:
    files: dict[str, Content] = {"srv/notes": b"x", f"{ALPHA}/METADATA": (HARD, "srv/notes")}
    with pytest.raises(ContentsError, match="alpha-1.0.dist-info/METADATA is a hard link"):
        found(tmp_path, files)


def test_the_licence_of_a_package_comes_with_its_texts(tmp_path: Path) -> None:
    files: dict[str, Content] = {
        f"{ALPHA}/METADATA": metadata("alpha", "1.0", "License-Expression: MIT"),
        f"{ALPHA}/licenses/vendor/COPYING": "second",
        f"{ALPHA}/LICENCE.txt": "first",
        f"{PACKAGES}/alpha/LICENSE": "of a part",
    }
    alpha = found(tmp_path, files)["alpha"]
    assert (alpha.licence, [one.text for one in alpha.texts]) == ("MIT", ["first", "second"])


def test_a_field_that_holds_a_whole_text_is_a_text(tmp_path: Path) -> None:
    fields = ("License: Copyright (c) 2001", " All rights.", "Classifier: License :: OSI Approved")
    files: dict[str, Content] = {f"{ALPHA}/METADATA": metadata("alpha", "1.0", *fields)}
    alpha = found(tmp_path, files)["alpha"]
    assert alpha.licence == ""
    assert alpha.texts[0].text.startswith("Copyright (c) 2001")


def test_common_licences_that_a_copyright_file_refers_to_come_along(tmp_path: Path) -> None:
    texts = found(tmp_path, BASE)["bash"].texts
    assert [one.text for one in texts][1:] == ["The text of the GPL.\n"]


def test_the_version_of_an_interpreter_is_read_from_its_header_first(tmp_path: Path) -> None:
    header = '#define PY_VERSION      \t"3.11.15"\n'
    files: dict[str, Content] = {**BASE, "usr/local/include/python3.11/patchlevel.h": header}
    assert found(tmp_path, files)["cpython"].version == "3.11.15"


@pytest.mark.parametrize("content", [b"no version", b"3.11.1\0 3.11.2\0"])
def test_an_interpreter_of_no_known_version_is_an_error(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ContentsError, match="usr/local/bin/python3.11 can't be told"):
        found(tmp_path, {**BASE, "usr/local/bin/python3.11": content})


@pytest.mark.parametrize("text", ["Name: alpha\n", "", "Version: 1\n"])
def test_a_distribution_that_does_not_say_what_it_is_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(ContentsError, match="alpha-1.0.dist-info/METADATA does not say"):
        found(tmp_path, {f"{ALPHA}/METADATA": text})


def test_a_package_without_a_version_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ContentsError, match="var/lib/dpkg/status has a package without"):
        found(tmp_path, {"var/lib/dpkg/status": "Package: bash\nStatus: install ok installed\n"})


def test_compressed_layers_hold_the_same(tmp_path: Path) -> None:
    plain = read_image([layer(tmp_path / "plain", BASE)])
    assert read_image([layer(tmp_path / "packed", BASE, compressed=True)]) == plain


@pytest.mark.parametrize("cut", [1, 512, 700, 1024, 5000])
def test_a_layer_that_is_cut_off_is_an_error(tmp_path: Path, cut: int) -> None:
    whole = tar({**BASE, "a": b"x" * 6000}).rstrip(b"\0")
    path = tmp_path / "cut"
    path.write_bytes(whole[:-cut])
    with pytest.raises(ContentsError, match="cut can't be read"):
        list(entries(path))


def test_a_layer_without_its_end_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "endless"
    path.write_bytes(tar({"a": b""})[:512])
    with pytest.raises(ContentsError, match="damaged or cut off"):
        list(entries(path))


def test_a_damaged_header_hides_nothing_behind_it(tmp_path: Path) -> None:
    path = layer(tmp_path / "damaged", {"a": b"", "b": b"", "c": b""})
    content = bytearray(path.read_bytes())
    content[512] ^= 1
    path.write_bytes(content)
    with pytest.raises(ContentsError, match="damaged or cut off"):
        list(entries(path))


def test_a_flipped_bit_in_a_compressed_layer_is_an_error(tmp_path: Path) -> None:
    path = layer(tmp_path / "flipped", {"a": b"x" * 99_999}, compressed=True)
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)
    with pytest.raises(ContentsError, match="flipped can't be read"):
        list(entries(path))


@pytest.mark.parametrize("content", [b"", b"not a tar at all" * 64, b"\x28\xb5\x2f\xfd" * 200])
def test_what_is_no_archive_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "none").write_bytes(content)
    with pytest.raises(ContentsError, match="none can't be read"):
        list(entries(tmp_path / "none"))


def test_a_layer_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ContentsError, match="missing can't be read: .*No such file"):
        list(entries(tmp_path / "missing"))


def test_a_path_outside_of_the_image_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ContentsError, match="which may lie outside of the image"):
        list(entries(layer(tmp_path / "out", {"a/../../b": b""})))
