"""The files of a release: what steps leave for the next ones, and what killed runs leave."""

import errno
from pathlib import Path

import pytest

from serving.release import workplace as workplaces
from serving.release.records import (
    BundleRecord,
    ImageRecord,
    ProofRecord,
    ReleaseError,
    ReleaseFiles,
)
from serving.release.workplace import LOCK, delivering, workplace
from tests.unit.facts_cases import facts
from tests.unit.ledger_cases import hex_of

BUNDLE = BundleRecord(file="iris-v2.tar", image_id="sha256:1", sums=hex_of("sums"), facts=facts())
PROOF = ProofRecord(image_id="sha256:1", requests=500, largest_difference=0.0)


@pytest.fixture
def files(tmp_path: Path) -> ReleaseFiles:
    return ReleaseFiles(tmp_path / "bento", tmp_path / "releases" / "iris" / "v2")


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workplaces, "PATIENCE_SECONDS", 0.1)


@pytest.fixture
def archive(files: ReleaseFiles) -> Path:
    """The file of a finished bundle."""
    files.write_bundle(BUNDLE)
    archive = files.archive(BUNDLE)
    archive.write_bytes(b"bundle")
    return archive


class TestBundle:
    """The record of a bundle and its file."""

    def test_it_is_what_was_written(self, files: ReleaseFiles, archive: Path) -> None:
        assert files.require_bundle() == files.find_bundle() == BUNDLE

    def test_one_that_was_never_made_is_told(self, files: ReleaseFiles) -> None:
        assert files.find_bundle() is None
        with pytest.raises(
            ReleaseError, match=r"no .*bundle\.json yet; materialise the asset bund"
        ):
            files.require_bundle()

    def test_one_whose_file_is_gone_is_told(self, files: ReleaseFiles, archive: Path) -> None:
        archive.unlink()
        assert files.find_bundle() is None
        with pytest.raises(ReleaseError, match=r"iris-v2\.tar is gone; materialise the asset bund"):
            files.require_bundle()

    @pytest.mark.parametrize("content", ["", "{", "{}"])
    def test_a_damaged_record_is_none(
        self, content: str, files: ReleaseFiles, archive: Path
    ) -> None:
        (files.records / "bundle.json").write_text(content)
        assert files.find_bundle() is None
        with pytest.raises(ReleaseError, match=r"bundle\.json can't be read"):
            files.require_bundle()


class TestProof:
    """What was proved, and what the image says of itself."""

    def test_the_image_is_the_one_that_was_proved(self, files: ReleaseFiles) -> None:
        image = ImageRecord(name="iris:v2", id="sha256:1")
        files.write_image(image)
        files.write_proof(PROOF, documents={})
        assert files.require_proved_image() == image

    def test_what_the_image_says_of_itself_is_kept(self, files: ReleaseFiles) -> None:
        files.write_proof(PROOF, documents={"openapi.json": b"{}"})
        assert files.document("openapi.json") == b"{}"

    def test_a_missing_document_is_told(self, files: ReleaseFiles) -> None:
        files.write_proof(PROOF, documents={})
        with pytest.raises(ReleaseError, match=r"openapi\.json can't be read .No such file"):
            files.document("openapi.json")


class TestWorkplace:
    """Where something is made that is not finished yet."""

    def test_it_is_empty_and_beside_the_records(self, files: ReleaseFiles) -> None:
        with workplace(files) as place:
            assert (place.parent, [*place.iterdir()]) == (files.records, [])

    def test_nothing_of_it_stays(self, files: ReleaseFiles) -> None:
        with workplace(files) as place:
            (place / "layout").mkdir()
        assert [one.name for one in files.records.iterdir()] == [LOCK]

    def test_what_killed_runs_have_left_is_removed(
        self, files: ReleaseFiles, archive: Path
    ) -> None:
        (files.records / ".work.killed" / "layout").mkdir(parents=True)
        (files.records / ".work.killed" / "layout" / "blob").write_bytes(b"half")
        (files.records / ".iris-v2.tar.abc~").write_bytes(b"half")
        with workplace(files):
            pass
        left = {one.name for one in files.records.iterdir()}
        assert left == {"bundle.json", "iris-v2.tar", LOCK}

    @pytest.mark.usefixtures("_impatient")
    def test_another_run_of_the_version_waits_and_takes_nothing_away(
        self, files: ReleaseFiles
    ) -> None:
        with workplace(files) as place:
            with (
                pytest.raises(ReleaseError, match="another run has been working on this version"),
                workplace(files),
            ):
                pass
            assert place.is_dir()

    @pytest.mark.usefixtures("_impatient")
    def test_an_error_in_it_is_left_as_it_is_and_leaves_no_lock(self, files: ReleaseFiles) -> None:
        with pytest.raises(PermissionError, match="of somebody else"), workplace(files):
            raise PermissionError(errno.EACCES, "of somebody else")
        with workplace(files):
            pass


@pytest.mark.usefixtures("_impatient")
class TestDelivering:
    """Deliveries of one model come one after the other."""

    @staticmethod
    def _other(files: ReleaseFiles, model: str) -> ReleaseFiles:
        """The files of another version."""
        return ReleaseFiles(files.bento, files.records.parents[1] / model / "v3")

    def test_another_version_of_the_model_waits(self, files: ReleaseFiles) -> None:
        other = self._other(files, "iris")
        with (
            delivering(files),
            pytest.raises(ReleaseError, match="another run has been delivering this model for"),
            delivering(other),
        ):
            pass

    def test_another_model_does_not(self, files: ReleaseFiles) -> None:
        with delivering(files), delivering(self._other(files, "oven")):
            pass

    def test_an_error_leaves_no_lock(self, files: ReleaseFiles) -> None:
        with pytest.raises(ZeroDivisionError), delivering(files):
            raise ZeroDivisionError
        with delivering(files):
            pass
