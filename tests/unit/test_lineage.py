"""Lineage: from an image to its data and customers, and from data to images and customers."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.release.ledger.entries import Entry
from serving.release.ledger.lineage import Lineage, LineageError
from tests.unit.ledger_cases import (
    delivery,
    digest_of,
    hex_of,
    history,
    promotion,
    release,
    rollback,
)

SECOND = digest_of("image 2")


def _lineage(entries: Sequence[Entry] = tuple(history())) -> Lineage:
    return Lineage(entries)


@given(st.sampled_from(["image 1", "image 2"]), st.integers(6, 64), st.booleans())
def test_an_image_is_found_by_a_part_of_its_digest(what: str, digits: int, named: bool) -> None:
    found = _lineage().of_digest(f"{'sha256:' * named}{hex_of(what)[:digits]}")
    assert found.image_digest == digest_of(what)


@pytest.mark.parametrize(
    "asked",
    [digest_of("id 2"), digest_of("id 2")[:15], f"reg.example.org/iris@{SECOND}", SECOND.upper()],
)
def test_an_image_is_found_by_its_id_or_by_a_name_with_its_digest(asked: str) -> None:
    assert _lineage().of_digest(asked).image_digest == SECOND


def test_an_image_tells_what_it_was_made_of() -> None:
    found, released = _lineage().of_digest(SECOND), release(2)
    for name in ("image_id", "model", "version", "data_version", "mlflow_run", "git_commit"):
        assert getattr(found, name) == getattr(released, name), name
    for name in ("model_digest", "lock_digest", "base_image"):
        assert getattr(found, name) == getattr(released, name), name


def test_an_image_tells_what_became_of_it() -> None:
    entries = history()
    found = _lineage(entries).of_digest(SECOND)
    assert (found.promotions, found.releases) == ([entries[3]], [entries[4]])
    assert (found.deliveries, found.rollbacks) == (entries[5:7], [entries[7]])
    assert found.customers == ["acme", "bolt"]


def test_a_rollback_is_told_of_the_image_that_came_back_too() -> None:
    assert _lineage().of_digest(digest_of("image 1")).rollbacks == [history()[7]]


def test_two_images_of_one_version_have_their_own_deliveries() -> None:
    again = digest_of("another build")
    entries = [
        *history(),
        release(2, image_digest=again, image_id=digest_of("another id")),
        delivery(2, customer="core", image_digest=again),
    ]
    assert _lineage(entries).of_digest(again).customers == ["core"]
    assert _lineage(entries).of_digest(SECOND).customers == ["acme", "bolt"]


def test_an_image_without_a_recorded_release_is_told_with_what_its_promotion_says() -> None:
    found = _lineage([promotion(2), delivery(2)]).of_digest(SECOND)
    assert (found.data_version, found.image_id) == (hex_of("data 2"), None)
    assert found.customers == ["acme"]


def test_other_models_are_left_out() -> None:
    other = [promotion(2, model="oven"), rollback(1, from_version=2, model="oven")]
    found = _lineage([*history(), *other]).of_digest(SECOND)
    assert {one.model for one in [*found.promotions, *found.rollbacks]} == {"iris"}


@pytest.mark.parametrize("digits", [6, 20, 64])
def test_data_tells_every_image_and_customer(digits: int) -> None:
    found = _lineage().of_data(hex_of("data 2")[:digits])
    assert found.data_version == hex_of("data 2")
    assert [(one.model, one.version) for one in found.versions] == [("iris", 2)]
    assert [image.image_digest for image in found.versions[0].images] == [SECOND]
    assert found.customers == ["acme", "bolt"]


def test_data_of_several_versions_tells_all_of_them() -> None:
    data = hex_of("data 2")
    entries = [
        *history(),
        promotion(3, data_version=data),
        release(3, data_version=data),
        delivery(3, customer="core"),
        promotion(7, model="oven", data_version=data),
    ]
    found = _lineage(entries).of_data(data)
    named = {(one.model, one.version): one.images for one in found.versions}
    assert {key: len(images) for key, images in named.items()} == {
        ("iris", 2): 1,
        ("iris", 3): 1,
        ("oven", 7): 0,
    }
    assert found.customers == ["acme", "bolt", "core"]


def test_a_data_version_that_another_one_begins_with_can_be_asked_for() -> None:
    entries = [promotion(1, data_version="2026-01"), promotion(2, data_version="2026-01-02")]
    assert _lineage(entries).of_data("2026-01").data_version == "2026-01"


@pytest.mark.parametrize("asked", ["", "12345", "sha256:", "sha256:12345", "v3-0123456789ab"])
def test_what_is_no_digest_is_refused(asked: str) -> None:
    with pytest.raises(LineageError, match="is no digest: give at least 6 hexadecimal digits"):
        _lineage().of_digest(asked)


def test_an_unknown_digest_names_the_newest_images() -> None:
    with pytest.raises(LineageError) as caught:
        _lineage([release(number) for number in range(1, 8)]).of_digest("000000")
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("the ledger knows no image whose digest or id begins with 000000")
    assert lines[1:] == [
        *(f"  {digest_of(f'image {number}')} (iris v{number})" for number in range(3, 8)),
        "  and 2 more",
    ]


def test_an_ambiguous_digest_names_the_images_that_it_may_mean() -> None:
    two = [f"sha256:{'ab' * 3}{end * 58}" for end in "12"]
    entries = [*history(), *(release(3, image_digest=one) for one in two)]
    with pytest.raises(LineageError) as caught:
        _lineage(entries).of_digest("ababab")
    assert str(caught.value).splitlines() == [
        "there is more than one image whose digest or id begins with ababab; give more of it:",
        *(f"  {one} (iris v3)" for one in two),
    ]


def test_an_ambiguous_data_version_names_the_candidates() -> None:
    entries = [promotion(1, data_version="2026-01-01"), promotion(2, data_version="2026-01-02")]
    with pytest.raises(LineageError, match=r"2026-01-01 \(iris v1\)\n  2026-01-02 \(iris v2\)"):
        _lineage(entries).of_data("2026-01")


def test_a_short_or_unknown_data_version_is_refused() -> None:
    with pytest.raises(LineageError, match="'2836a' is too short: give at least 6 characters"):
        _lineage().of_data(hex_of("data 1")[:5])
    with pytest.raises(LineageError, match=r"knows no data version .* 000000; the newest are:"):
        _lineage().of_data("000000")


def test_a_ledger_without_images_says_so() -> None:
    with pytest.raises(LineageError, match="begins with 000000; it holds none yet"):
        _lineage([promotion(1)]).of_digest("000000")
