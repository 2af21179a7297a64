"""A tar that would write outside of its directory is refused."""

import io
import tarfile
from pathlib import Path

import pytest

from operations.inside.unpack import ForeignTarError, unpack


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def tar(*members: tarfile.TarInfo) -> io.BytesIO:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as made:
        for one in members:
            made.addfile(one)
    output.seek(0)
    return output


ATTACKS = {
    "absolute": [member("/evil")],
    "out": [member("../evil")],
    "out within": [member("a/../../evil")],
    "link out": [member("link", tarfile.SYMTYPE, "../..")],
    "absolute link": [member("link", tarfile.SYMTYPE, "/etc")],
    "below a link": [member("link", tarfile.SYMTYPE, "a"), member("link/evil")],
    "over a link": [member("link", tarfile.SYMTYPE, "a"), member("link")],
    "twice": [member("a"), member("a")],
    "twice in other words": [member("a"), member("./a")],
    "hard link": [member("a", tarfile.LNKTYPE, "/etc/passwd")],
    "device": [member("null", tarfile.CHRTYPE)],
    "pipe": [member("pipe", tarfile.FIFOTYPE)],
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_leads_out_of_the_directory_is_refused(tmp_path: Path, attack: str) -> None:
    inside = tmp_path / "a" / "inside"
    inside.mkdir(parents=True)
    with pytest.raises(ForeignTarError):
        unpack(tar(*ATTACKS[attack]), inside)
    assert sorted(str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*evil*")) == []


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    with pytest.raises(FileExistsError):
        unpack(tar(member("a")), tmp_path)
    assert (tmp_path / "a").read_text() == "mine"
