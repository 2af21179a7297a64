"""The archive of a Bento is the same each time it is made, and knows what it holds."""

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.release.layer import archive, content_hash, read_files

names = st.from_regex("[a-c]/[a-c]|[d-f]", fullmatch=True)
contents = st.dictionaries(names, st.binary(max_size=9), min_size=1)


@pytest.fixture
def bento(tmp_path: Path) -> Path:
    for name in ("src/b.py", "src/a.py", "bento.yaml", "src/__pycache__/a.cpython-311.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def test_files_are_read_in_one_order_and_without_caches(bento: Path) -> None:
    assert list(read_files(bento)) == ["bento.yaml", "src/a.py", "src/b.py"]


@given(contents)
def test_an_archive_holds_each_file_behind_its_directories(files: dict[str, bytes]) -> None:
    seen = {"."}
    with tarfile.open(fileobj=io.BytesIO(archive(files, epoch=7))) as tar:
        for entry in tar:
            assert str(Path(entry.name).parent) in seen
            seen.add(entry.name)
            if entry.isfile():
                found = tar.extractfile(entry)
                assert found is not None
                assert found.read() == files[entry.name.removeprefix("bento/")]
    assert {f"bento/{name}" for name in files} <= seen


@given(contents)
def test_nobody_may_write_what_is_in_an_archive(files: dict[str, bytes]) -> None:
    with tarfile.open(fileobj=io.BytesIO(archive(files, epoch=7))) as tar:
        found = {(one.uid, one.gid, one.mtime, one.isdir(), one.mode) for one in tar}
    assert found == {(0, 0, 7, True, 0o555), (0, 0, 7, False, 0o444)}


@given(contents, contents)
def test_hashes_are_equal_just_where_contents_are(
    one: dict[str, bytes], other: dict[str, bytes]
) -> None:
    one, other = dict(sorted(one.items())), dict(sorted(other.items()))
    assert (content_hash(one) == content_hash(other)) == (one == other)
