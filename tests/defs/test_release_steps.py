"""What the steps of a release refuse before they ask the Docker Engine for anything."""

from pathlib import Path

import dagster as dg
import pytest

from ml_assets.resources.registry import ModelRegistry
from serving.release.definitions import STEPS
from serving.release.delivery_assets import rollback
from serving.release.ledger.ledger import Ledger
from serving.release.partitions import PartitionError, partition_key, read_partition_key
from serving.release.records import ImageRecord, ProofRecord, ReleaseFiles
from serving.release.returning import Return
from serving.release.settings import ReleaseSettings
from tests.registry_cases import Shelf, keep_golden
from tests.unit.ledger_cases import digest_of

IMAGE = ImageRecord(name="oven:v2", id="sha256:1")
PROOF = ProofRecord(image_id="sha256:1", requests=500, largest_difference=0.0)
DOCUMENTS = {"openapi.json": b"{}"}
ASKED = {"ops": {"rollback": {"config": {"who": "anna@host"}}}}


@pytest.fixture
def shelf(registry: ModelRegistry) -> Shelf:
    """A model whose second version was promoted and is being released."""
    shelf = Shelf(registry)
    shelf.promote(1, 2)
    return shelf


@pytest.fixture
def settings(home: Path, registry: ModelRegistry) -> ReleaseSettings:
    return ReleaseSettings.from_environment()


@pytest.fixture
def files(settings: ReleaseSettings) -> ReleaseFiles:
    return ReleaseFiles.of(settings, "oven", 2)


def _materialise(
    step: str, registry: ModelRegistry, settings: ReleaseSettings, *, partition: str = "oven:v2"
) -> dg.ExecuteInProcessResult:
    """Runs a step."""
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("model_versions", [partition])
        return dg.materialize(
            [*STEPS, rollback],
            selection=[step],
            partition_key=partition,
            run_config=ASKED if step == "rollback" else {},
            instance=instance,
            resources={"registry": registry, "release": settings},
        )


def _refusal(
    step: str, registry: ModelRegistry, settings: ReleaseSettings, *, partition: str = "oven:v2"
) -> dg.Failure:
    """How a step fails."""
    with pytest.raises(dg.Failure) as caught:
        _materialise(step, registry, settings, partition=partition)
    return caught.value


class TestBundle:
    """Only an image that was proved is bundled."""

    def test_an_image_without_a_proof_is_refused(
        self, shelf: Shelf, settings: ReleaseSettings, files: ReleaseFiles
    ) -> None:
        files.write_image(IMAGE)
        said = str(_refusal("bundle", shelf.registry, settings).description)
        assert said.endswith("proof.json yet; materialise the asset parity first")

    def test_another_image_than_the_one_that_was_proved_is_refused(
        self, shelf: Shelf, settings: ReleaseSettings, files: ReleaseFiles
    ) -> None:
        files.write_image(IMAGE)
        files.write_proof(PROOF.model_copy(update={"image_id": "sha256:2"}), documents=DOCUMENTS)
        said = str(_refusal("bundle", shelf.registry, settings).description)
        assert said.startswith("oven:v2 is the image sha256:1, but sha256:2 was proved")


def test_an_image_without_a_key_to_sign_is_refused(
    shelf: Shelf, settings: ReleaseSettings, files: ReleaseFiles
) -> None:
    files.write_image(IMAGE)
    files.write_proof(PROOF, documents=DOCUMENTS)
    said = str(_refusal("bundle", shelf.registry, settings).description)
    assert said.startswith("no key is configured to sign releases with; set SIGNING_KEY in .env")


@pytest.mark.parametrize("step", ["push", "delivery", "rollback"])
def test_a_version_without_a_bundle_is_refused(
    step: str, shelf: Shelf, settings: ReleaseSettings, files: ReleaseFiles
) -> None:
    said = str(_refusal(step, shelf.registry, settings).description)
    assert said.endswith("bundle.json yet; materialise the asset bundle first")


class TestDelivery:
    """Only what is in production is delivered."""

    def test_what_was_overtaken_is_not_delivered(
        self, shelf: Shelf, settings: ReleaseSettings
    ) -> None:
        done = _materialise("delivery", shelf.registry, settings, partition="oven:v1")
        (event,) = done.asset_materializations_for_node("delivery")
        assert event.metadata["not delivered"].value == "oven v2 is in production"

    def test_a_rollback_that_was_stopped_before_it_was_recorded_is_recorded(
        self, shelf: Shelf, settings: ReleaseSettings
    ) -> None:
        going = Return(shelf.registry, "anna@host", "wrong", "run 1")
        going.back_to(shelf.version(1), image_digest=digest_of("oven v1"))
        _refusal("delivery", shelf.registry, settings, partition="oven:v1")
        entries = Ledger.of(settings.home).verify().entries
        assert [(one.event, one.who) for one in entries][-1] == ("rollback", "anna@host")


class TestParity:
    """An image that can't be proved is not released, and its version leaves production."""

    @pytest.fixture
    def refusal(
        self, shelf: Shelf, settings: ReleaseSettings, files: ReleaseFiles, tmp_path: Path
    ) -> dg.Failure:
        files.write_image(IMAGE)
        files.write_proof(PROOF, documents=DOCUMENTS)
        keep_golden(shelf, 2, tmp_path, requests=499)
        return _refusal("parity", shelf.registry, settings)

    @pytest.mark.usefixtures("refusal")
    def test_production_goes_back(self, shelf: Shelf) -> None:
        assert shelf.live == 1

    @pytest.mark.usefixtures("refusal")
    def test_the_version_is_tagged_with_the_reason(self, shelf: Shelf) -> None:
        reason = shelf.version(2).tags["release_refused"]
        assert reason.startswith("oven:v2 can't be proved with 499 golden requests")

    def test_the_run_says_why_and_what_is_in_production(self, refusal: dg.Failure) -> None:
        said = str(refusal.description)
        assert said.startswith("oven:v2 can't be proved with 499 golden requests")
        assert said.endswith("Nothing was pushed; v1 is in production now.")
        assert "499 golden requests" in str(refusal.metadata["report"].value)

    @pytest.mark.usefixtures("refusal")
    def test_an_earlier_proof_is_void(
        self, shelf: Shelf, settings: ReleaseSettings, files: ReleaseFiles
    ) -> None:
        said = str(_refusal("bundle", shelf.registry, settings).description)
        assert "proof.json yet" in said

    def test_a_version_that_was_released_before_stays_in_production(
        self, shelf: Shelf, settings: ReleaseSettings, files: ReleaseFiles, tmp_path: Path
    ) -> None:
        files.write_image(IMAGE)
        keep_golden(shelf, 2, tmp_path, requests=499)
        shelf.registry.record_release(shelf.version(2), image="r/oven:v2", digest="sha256:3")
        said = str(_refusal("parity", shelf.registry, settings).description)
        assert said.endswith("oven v2 stays, as it was released before as sha256:3.")
        assert shelf.live == 2

    def test_a_version_without_golden_requests_stays_in_production(
        self, shelf: Shelf, settings: ReleaseSettings, files: ReleaseFiles
    ) -> None:
        files.write_image(IMAGE)
        said = str(_refusal("parity", shelf.registry, settings).description)
        assert said.startswith("oven v2 has no golden requests to be proved with")
        assert shelf.live == 2


def test_a_step_without_the_one_before_names_it(shelf: Shelf, settings: ReleaseSettings) -> None:
    said = str(_refusal("service_image", shelf.registry, settings).description)
    assert said.endswith("v2; materialise the asset bento first")


def test_a_damaged_record_is_told(
    shelf: Shelf, settings: ReleaseSettings, files: ReleaseFiles
) -> None:
    files.write_image(IMAGE)
    (files.records / "image.json").write_text("{")
    said = str(_refusal("parity", shelf.registry, settings).description)
    assert "image.json can't be read" in said
    assert said.endswith("materialise the asset service_image again")


def test_a_version_that_does_not_exist_is_told(
    registry: ModelRegistry, settings: ReleaseSettings
) -> None:
    said = str(_refusal("bento", registry, settings).description)
    assert "'oven' has no version 2; it has none" in said


class TestPartitionKeys:
    """Names of partitions."""

    def test_a_key_names_model_and_version(self) -> None:
        assert read_partition_key(partition_key("oven", 12)) == ("oven", 12)

    @pytest.mark.parametrize(
        "key", ["oven", "oven:3", "oven:v0", "oven:v", ":v3", "a:b:v3", "oven:v3 "]
    )
    def test_any_other_text_is_refused(self, key: str) -> None:
        with pytest.raises(PartitionError, match="does not name a version of a model"):
            read_partition_key(key)
