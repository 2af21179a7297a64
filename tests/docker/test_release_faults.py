"""Faults of the release: every move of the alias is released once, or says why it is not."""

from collections.abc import Iterator
from itertools import cycle, pairwise

import pytest

from tests.docker.engine import engine
from tests.docker.faults import REPEATS, killed
from tests.docker.platform import PlatformCase
from tests.docker.release_cases import (
    ReleaseCase,
    assert_released,
    fill,
    make_room,
    second_daemon,
    small_disk,
)

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def case(platform: PlatformCase) -> Iterator[ReleaseCase]:
    """The model iris, trained once."""
    case = ReleaseCase.create(platform)
    yield case
    case.remove_images()


def test_what_is_promoted_while_the_daemon_is_dead_is_released_once(case: ReleaseCase) -> None:
    versions = case.add(REPEATS)
    with killed(case.platform, "daemon"):
        case.promote(*versions)
    case.settle()
    assert_released(case, *versions, statuses=["SUCCESS"], builds=1)


def test_a_daemon_killed_during_a_release_leaves_one_image(case: ReleaseCase) -> None:
    versions = case.add(REPEATS + 1)
    case.promote(versions[0])
    for version, following in pairwise(versions):
        case.platform.wait_for_step(case.started(version), "parity")
        with killed(case.platform, "daemon"):
            assert case.statuses(version) == ["STARTED"]
            case.promote(following)
    case.settle()
    assert_released(case, *versions, statuses=["SUCCESS"], builds=1)


def test_two_daemons_release_as_often_as_the_alias_moves(case: ReleaseCase) -> None:
    a, b = case.add(2)
    with second_daemon(case.platform) as other:
        working = cycle((case.platform.container("daemon"), other))
        for _ in range(REPEATS):
            case.promote(a, b)
            case.platform.registry.set_alias(b, "production")
            engine("restart", "--time=0", next(working))
            case.await_sensor()
        case.promote(a)
        case.settle()
    assert_released(case, a, statuses=["SUCCESS"] * (REPEATS + 1), builds=REPEATS + 1)
    assert_released(case, b, statuses=["SUCCESS"] * REPEATS, builds=REPEATS)


def test_a_registry_that_is_down_fails_the_push_and_moves_nothing(case: ReleaseCase) -> None:
    versions = case.add(REPEATS)
    with killed(case.platform, "registry"):
        case.promote(*versions)
        case.settle()
        complaints = [case.complaint(version) for version in versions]
        assert case.live.version == versions[-1].version
        assert [case.tags(version) for version in versions] == [{}] * REPEATS
    assert all(
        "registry or the key service is out of reach" in complaint for complaint in complaints
    )
    case.launch_again(*versions)
    case.settle()
    assert_released(case, *versions, statuses=["SUCCESS", "FAILURE"], builds=2)


def test_a_full_disk_fails_the_build_and_customers_keep_the_image_before(
    case: ReleaseCase,
) -> None:
    before, versions = case.live, case.add(REPEATS)
    with small_disk(case.platform) as disk:
        fill(disk)
        case.promote(*versions)
        case.settle()
        complaints = [case.complaint(version) for version in versions]
        assert [case.tags(version) for version in versions] == [{}] * REPEATS
        assert case.answers(before)
        make_room(disk)
        case.launch_again(*versions)
        case.settle()
    assert ["no space left" in complaint.lower() for complaint in complaints] == [True] * REPEATS
    assert_released(case, *versions, statuses=["SUCCESS", "FAILURE"], builds=1)
