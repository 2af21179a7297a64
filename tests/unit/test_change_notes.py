"""CHANGES: what is different from the release before."""

import json
import math
from typing import Any

from serving.release.bundle.change_notes import Earlier, change_notes, packages_of
from serving.release.bundle.facts import ReleaseFacts
from tests.unit.facts_cases import COMMIT, facts
from tests.unit.ledger_cases import digest_of, hex_of

METRICS = {"accuracy": 0.97}


def _listed(name: str, version: str) -> dict[str, str]:
    return {"type": "library", "name": name, "version": version, "purl": f"pkg:{name}@{version}"}


def _sbom(**packages: str) -> dict[str, Any]:
    files = [{"type": "file", "name": "model.json"}, {"type": "library", "name": "unversioned"}]
    listed = [_listed(f"pypi/{name}", version) for name, version in packages.items()]
    return {"components": [*listed, *files]}


def _earlier(before: ReleaseFacts, *, metrics: dict[str, float | None], **packages: str) -> Earlier:
    return Earlier.read(
        facts=before.model_dump_json().encode(),
        card=json.dumps({"evaluation": {"metrics": metrics}}).encode(),
        sbom=json.dumps(_sbom(**packages)).encode(),
    )


def _notes(**changes: Any) -> list[str]:
    """The notes of v2 after a v1 that is the same but for some facts, line by line."""
    same = facts(2).model_copy(update={"version": "1", **changes})
    before = _earlier(same, metrics={"accuracy": 0.9}, numpy="2.0")
    text = change_notes(facts(2), METRICS, {"pypi/numpy": ("2.1",)}, before=before)
    return text.splitlines()


def test_the_first_release_says_so() -> None:
    found = change_notes(facts(1), METRICS, {}, before=None)
    assert found == "# Changes of iris v1\n\nThe first release of this model.\n"


def test_a_release_that_is_not_kept_is_named_all_the_same() -> None:
    notes = change_notes(facts(2), METRICS, {}, before="iris v1 (image `sha256:1`)")
    assert "before, iris v1 (image `sha256:1`), is not kept" in notes


def test_the_release_before_is_named_with_its_image() -> None:
    notes = _notes(image_digest=digest_of("old"))
    assert notes[:3] == [
        "# Changes of iris v2",
        "",
        f"Since iris v1 (image `{digest_of('old')}`):",
    ]


def test_what_stayed_is_told() -> None:
    assert [line for line in _notes() if line.startswith("- ")] == [
        "- the same model",
        "- fitted on the same data",
        "- fitted by the same code",
        "- on the same base image",
    ]


def test_what_changed_is_told_with_what_it_is_now() -> None:
    changes = {"model_digest": hex_of("m"), "data_version": "d", "git_commit": "c"}
    lines = _notes(**changes, base_image_id=digest_of("other base"))
    assert [line for line in lines if line.startswith("- ")] == [
        f"- another model: `{hex_of('model 2')}`",
        f"- fitted on other data: `{hex_of('data 2')}`",
        f"- fitted by other code: `{COMMIT}`",
        f"- on another base image: `{digest_of('base')}`",
    ]


def test_code_that_nobody_noted_is_unknown() -> None:
    before = _earlier(facts(1), metrics={}, numpy="2.0")
    notes = change_notes(facts(2, git_commit=""), METRICS, {}, before=before)
    assert "- fitted by other code: `unknown`\n" in notes


def test_figures_stand_side_by_side() -> None:
    assert "| accuracy | 0.9 | 0.97 |" in _notes()


def test_a_figure_that_only_one_of_them_has_stands_beside_nothing() -> None:
    before = _earlier(facts(1), metrics={"f1": 0.5, "skill": None})
    notes = change_notes(facts(2), METRICS | {"skill": math.inf}, {}, before=before).splitlines()
    assert "| f1 | 0.5 |  |" in notes
    assert "| accuracy |  | 0.97 |" in notes
    assert "| skill |  |  |" in notes


def test_packages_that_changed_came_or_went_are_listed_and_no_other() -> None:
    before = _earlier(facts(1), metrics={}, numpy="2.0", left="1", same="1")
    now = {"pypi/numpy": ("2.1",), "pypi/came": ("3", "4"), "pypi/same": ("1",)}
    notes = change_notes(facts(2), METRICS, now, before=before).splitlines()
    assert notes[notes.index("## Packages in the image") + 1 :] == [
        "",
        "|  | before | now |",
        "|---|---|---|",
        "| pypi/came | none | 3, 4 |",
        "| pypi/left | 1 | none |",
        "| pypi/numpy | 2.0 | 2.1 |",
    ]


def test_the_same_packages_are_no_empty_table() -> None:
    before = _earlier(facts(1), metrics={}, numpy="2.0")
    notes = change_notes(facts(2), METRICS, {"pypi/numpy": ("2.0",)}, before=before)
    assert notes.endswith("## Packages in the image\n\nThe same.\n")


def test_files_of_the_model_are_no_packages() -> None:
    assert packages_of(_sbom(numpy="2.0")) == {"pypi/numpy": ("2.0",)}


def test_packages_of_one_name_and_several_ecosystems_or_versions_are_all_seen() -> None:
    listed = [
        _listed("pypi/tzdata", "2026.1"),
        _listed("deb/debian/tzdata", "2026a-0+deb12u1"),
        _listed("pypi/six", "2"),
        _listed("pypi/six", "1"),
        _listed("pypi/six", "2"),
    ]
    assert packages_of({"components": listed}) == {
        "pypi/tzdata": ("2026.1",),
        "deb/debian/tzdata": ("2026a-0+deb12u1",),
        "pypi/six": ("1", "2"),
    }
