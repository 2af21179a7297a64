"""What differs between two images is named: layer, file and property."""

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.docker.image_differences import Saved, differences, layer_differences

Change = Callable[[tarfile.TarInfo], None]
FILES = {"etc/passwd": b"root", "etc/shadow": b"secret", "opt/lib.so": b"\x7fELF"}


def packed(files: Mapping[str, bytes], change: Change | None = None) -> bytes:
    """A tar archive of files; ``change`` edits the entry of `etc/shadow`."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            if change and name == "etc/shadow":
                change(entry)
            tar.addfile(entry, io.BytesIO(content))
    return target.getvalue()


def opened(content: bytes) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(content))


def image(*layers: bytes, **config: Any) -> Saved:
    """An image as `docker image save` writes it; a layer's digest is made up of its content."""
    digests = [f"sha256:{hash(layer)}" for layer in layers]
    names = [f"blobs/{number}" for number in range(len(layers))]
    described = {**config, "rootfs": {"diff_ids": digests}}
    manifest = [{"Config": "config.json", "Layers": names}]
    files = {"config.json": described, "manifest.json": manifest}
    contents = {name: json.dumps(one).encode() for name, one in files.items()}
    return Saved(opened(packed({**contents, **dict(zip(names, layers, strict=True))})))


def found(one: bytes, other: bytes) -> list[str]:
    return list(layer_differences(opened(one), opened(other)))


def test_layers_of_the_same_files_do_not_differ() -> None:
    assert found(packed(FILES), packed(FILES)) == []


@pytest.mark.parametrize(
    ("content", "at"), [(b"secreT", 5), (b"secret!", 6), (b"", 0), (b"Secret", 0)]
)
def test_a_content_is_told_with_the_first_byte_that_differs(content: bytes, at: int) -> None:
    told = found(packed(FILES), packed({**FILES, "etc/shadow": content}))
    assert told == [f"/etc/shadow: content from byte {at} on"]


def _link(entry: tarfile.TarInfo) -> None:
    entry.type, entry.linkname, entry.size = tarfile.SYMTYPE, "passwd", 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda entry: setattr(entry, "mtime", 7), ["mtime 0 and 7"]),
        (lambda entry: setattr(entry, "mode", 0o600), ["mode 644 and 600"]),
        (lambda entry: setattr(entry, "gid", 42), ["owner 0:0 and 0:42"]),
        (
            lambda entry: entry.pax_headers.update({"SCHILY.xattr.a": "b"}),
            ["headers {} and {'SCHILY.xattr.a': 'b'}"],
        ),
        (_link, ["kind 0 and 2", "target  and passwd", "content from byte 0 on"]),
    ],
)
def test_a_property_is_told_with_both_values(change: Change, told: list[str]) -> None:
    assert found(packed(FILES), packed(FILES, change)) == [f"/etc/shadow: {one}" for one in told]


def test_a_file_that_one_layer_lacks_is_told() -> None:
    less = {name: content for name, content in FILES.items() if name != "etc/shadow"}
    assert found(packed(FILES), packed(less)) == ["/etc/shadow: only the first image has it"]
    assert found(packed(less), packed(FILES)) == ["/etc/shadow: only the second image has it"]


def test_another_order_of_the_files_is_told() -> None:
    turned = dict(reversed(FILES.items()))
    first, *_ = found(packed(FILES), packed(turned))
    assert first == "/etc/passwd: place among the files"


def test_images_of_the_same_layers_and_configuration_do_not_differ() -> None:
    one, other = (image(packed(FILES), created="1980") for _ in range(2))
    assert list(differences(one, other)) == []


def test_the_first_difference_is_in_the_lowest_layer_that_differs() -> None:
    changed = packed({**FILES, "etc/shadow": b"Secret"})
    one, other = image(packed({}), packed(FILES)), image(packed({}), changed)
    assert next(differences(one, other)) == "layer 1: /etc/shadow: content from byte 0 on"


def test_a_layer_too_many_is_told() -> None:
    one, other = image(packed(FILES)), image(packed(FILES), packed({}))
    assert next(differences(one, other)) == "layer 1: only the second image has it"


def test_what_differs_in_the_configuration_alone_is_told_with_its_place() -> None:
    one, other = (image(history=[{"created": "1980"}, {"created": time}]) for time in "ab")
    assert list(differences(one, other)) == ["configuration: /history/1/created a and b"]
