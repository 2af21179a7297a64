"""What a proved image holds, and what is known of it, can keep it from being released."""

import json
from pathlib import Path

import pytest

from serving.release.admission import RefusedError
from serving.release.bundle import oci
from serving.release.bundle.archive import read_member
from serving.release.bundle.assembling import SCAN
from serving.release.scan.report import ScanReport
from tests.unit.advisory_cases import advisory, affected, ranges
from tests.unit.bundling_cases import Workbench
from tests.unit.image_cases import BASE, tar
from tests.unit.saved_images import SavedImage, image

ALPHA = affected(name="alpha", ranges=ranges({"introduced": "0"}))


def bench_of(saved: SavedImage, home: Path, patch: pytest.MonkeyPatch) -> Workbench:
    """Where the bundle of an image is made."""
    bench = Workbench.create(home, saved)
    patch.setattr(oci, "docker", bench.engine)
    return bench


@pytest.fixture
def bench(home: Path, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    """The same of an image with a package."""
    return bench_of(image("1.0"), home, monkeypatch)


def know(bench: Workbench, *entries: dict[str, object], policy: str = "") -> None:
    """Configures a database of advisories, and a policy."""
    home = bench.settings.scan_home
    home.mkdir(exist_ok=True)
    (home / "advisories").write_text(json.dumps(entries))
    (home / "policy.yaml").write_text(f"{{largest_age_days: 100000, {policy}}}")


def scan_of(bench: Workbench) -> ScanReport:
    """What the bundle says of the advisories."""
    archive = bench.files.archive(bench.work())
    return ScanReport.model_validate_json(read_member(archive, SCAN))


def test_a_file_that_no_customer_may_get_is_refused_and_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = SavedImage.of(tar(BASE), tar({"home/app/.ssh/id_rsa": "x"}))
    bench = bench_of(saved, home, monkeypatch)
    with pytest.raises(RefusedError, match=r"oven v3 holds .*\n- home/app/\.ssh/id_rsa: a private"):
        bench.work()
    assert bench.left == set()


def test_a_secret_in_the_configuration_is_refused_and_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = SavedImage.of(tar(BASE), labels={"token": f"hf_{'a' * 34}"})
    bench = bench_of(saved, home, monkeypatch)
    with pytest.raises(RefusedError, match=r"- configuration\.config\.Labels\.token: a token of H"):
        bench.work()


def test_an_advisory_about_a_package_is_refused_and_named(bench: Workbench) -> None:
    know(bench, advisory(ALPHA, id="TEST-7"))
    with pytest.raises(RefusedError, match=r"oven v3 must not be .*\n- alpha 1\.0 has TEST-7 "):
        bench.work()
    assert bench.left == set()


def test_without_a_database_nothing_is_refused(bench: Workbench) -> None:
    record = bench.work()
    assert bench.left == {"bundle.json", record.file}


def test_a_bundle_that_is_there_is_refused_by_an_advisory_of_today(bench: Workbench) -> None:
    record = bench.work()
    know(bench, advisory(ALPHA))
    with pytest.raises(RefusedError, match="TEST-1"):
        bench.work()
    assert bench.files.require_bundle() == record


def test_a_bundle_that_is_there_is_refused_by_a_stricter_policy(bench: Workbench) -> None:
    know(bench, advisory(ALPHA), policy="unknown_counts_as: low")
    bench.work()
    know(bench, advisory(ALPHA), policy="unknown_counts_as: low, fail_at: low")
    with pytest.raises(RefusedError, match="TEST-1"):
        bench.work()


def test_a_bundle_that_lacks_a_finding_of_today_is_made_anew(bench: Workbench) -> None:
    bench.work()
    for entries in ([], [advisory(ALPHA)], [advisory(ALPHA, summary="Something else is wrong")]):
        know(bench, advisory(), *entries, policy="fail_at: critical")
        told = scan_of(bench)
        assert told.database is not None
        assert [one.summary for one in told.findings] == [one["summary"] for one in entries]


def test_a_bundle_that_says_what_is_found_today_is_kept(bench: Workbench) -> None:
    know(bench, advisory(ALPHA), policy="fail_at: critical")
    record = bench.work()
    know(bench, advisory(ALPHA), advisory(), policy="fail_at: critical")
    assert bench.work() == record


def test_a_bundle_that_was_scanned_is_kept_without_a_database(bench: Workbench) -> None:
    know(bench, advisory(ALPHA), policy="fail_at: critical")
    record = bench.work()
    (bench.settings.scan_home / "advisories").unlink()
    assert bench.work() == record
