"""CHANGES: what a customer reads before taking the next release."""

import pytest

from serving.release.bundle.change_notes import change_notes, packages_of
from tests.unit.bundle_cases import MEASURED, Bundle, KeyPair, image

METRICS = MEASURED["metrics"]


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return Bundle.make(tmp_path_factory.mktemp("made"), image("1.0"), KeyPair())


def test_the_first_release_has_nothing_before_it(before: Bundle) -> None:
    notes = change_notes(before.facts, METRICS, {}, before=None)
    assert notes == "# Changes of oven v3\n\nThe first release of this model.\n"


def test_a_release_of_the_same_says_that_all_is_the_same(before: Bundle) -> None:
    earlier = before.earlier
    notes = change_notes(before.facts, METRICS, earlier.packages, before=earlier)
    assert f"Since oven v3 (image `{before.facts.image_digest}`)" in notes
    assert "- the same model\n- fitted on the same data\n- fitted by the same code\n" in notes
    assert "## Packages in the image\n\n\nThe same." in notes or notes.endswith("The same.\n")


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("model_digest", "another model"),
        ("data_version", "fitted on other data"),
        ("git_commit", "fitted by other code"),
        ("base_image_id", "on another base image"),
    ],
)
def test_what_is_other_is_named(before: Bundle, field: str, line: str) -> None:
    now = before.facts.model_copy(update={field: "something else"})
    notes = change_notes(now, METRICS, {}, before=before.earlier)
    assert f"- {line}: `something else`\n" in notes
    assert notes.count("same") == 3


def test_figures_stand_beside_those_before(before: Bundle) -> None:
    now = {"mae": 0.25, "skill_vs_drift": 0.5}
    notes = change_notes(before.facts, now, {}, before=before.earlier)
    for row in ("| mae | 0.5 | 0.25 |", "| rmse | 0.75 |  |", "| skill_vs_drift |  | 0.5 |"):
        assert row in notes


def test_packages_that_came_went_or_changed_are_listed(before: Bundle) -> None:
    now = before.earlier.packages | {"alpha": "2.0", "beta": "0.1", "cpython": "3.11.15"}
    del now["bash"]
    rows = change_notes(before.facts, METRICS, now, before=before.earlier).splitlines()[-4:]
    assert rows == [
        "| alpha | 1.0 | 2.0 |",
        "| bash | 5.2.15-2+b13 | none |",
        "| beta | none | 0.1 |",
        "| cpython | 3.11.14 | 3.11.15 |",
    ]


def test_the_model_is_no_package(before: Bundle) -> None:
    assert set(before.earlier.packages) == {"alpha", "bash", "cpython", "libstdc++6"}
    assert packages_of({}) == {}
