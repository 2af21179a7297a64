"""An image is proved equal to the evaluated model, and each kind of change is seen and blocked."""

from pathlib import Path

import pytest

from serving.golden import GoldenRequest
from serving.release.engine import GoneError
from serving.release.image import ServiceImage
from serving.release.packaging import BuiltBento
from serving.release.parity import ParityError, prove
from tests.docker import image_cases
from tests.docker.image_cases import (
    BASE,
    OLD_XGBOOST,
    Change,
    build,
    changed,
    edit_leaf,
    manifest_with,
    rewritten,
)

pytestmark = pytest.mark.docker

LOADED = "    gc.collect()\n"
ANSWER = "return Answer(forecasts, "
TOLD = "        answer = tell_answer("

WRONG_ANSWERS: dict[str, tuple[Change, str]] = {
    "two-columns-swapped": (manifest_with(image_cases.swap_features), "predictions.values"),
    "a-leaf-edited": (edit_leaf, "predictions.values"),
    "calendar-in-another-zone": (manifest_with(image_cases.move_calendar), "predictions.values"),
    "times-in-another-zone": (manifest_with(image_cases.move_times), "predictions.origin"),
    "a-feature-that-is-always-0": (
        rewritten(
            "predict.py", "    return features\n", "    features[3] = 0\n    return features\n"
        ),
        "predictions.values",
    ),
    "entities-in-another-order": (
        rewritten("predict.py", ANSWER, "return Answer(forecasts[::-1], "),
        "predictions.entity",
    ),
    "steps-in-another-order": (
        rewritten("predict.py", "values.tolist()", "values.tolist()[::-1]"),
        "predictions.values",
    ),
    "another-version": (
        rewritten("served.py", '"version": self.version', '"version": "4"'),
        "model.version",
    ),
}
"""Changes after which a service still answers, and the field where that is seen."""

NOT_READY: dict[str, tuple[Change, str]] = {
    "a-feature-dropped": (
        manifest_with(image_cases.drop_feature),
        "model.ubj takes 10 features, model.json names 9",
    ),
    "never-ready": (
        rewritten("http/start.py", LOADED, f"    import time; time.sleep(600)\n{LOADED}"),
        "Starting production HTTP BentoServer",
    ),
    "writes-outside-tmp": (
        rewritten("http/start.py", LOADED, f"    Path('/bento/cache').write_text('')\n{LOADED}"),
        "Read-only file system: '/bento/cache'",
    ),
}
"""Changes after which a service does not become ready, and what its last lines say."""


def test_an_unchanged_image_is_proved(
    oven_image: ServiceImage, oven_golden: list[GoldenRequest]
) -> None:
    report = prove(oven_image, oven_golden)
    entities = sum(len(golden.predictions) for golden in oven_golden)
    assert (report.requests, report.numbers) == (500, 3 * entities)
    assert report.largest_difference < 1e-9
    assert 0 < report.seconds_to_ready < 60
    assert report.requests_per_second > 10


@pytest.mark.parametrize("name", WRONG_ANSWERS)
def test_a_service_that_answers_otherwise_is_blocked(
    oven_bento: BuiltBento, oven_golden: list[GoldenRequest], tmp_path: Path, name: str
) -> None:
    change, field = WRONG_ANSWERS[name]
    image = build(changed(oven_bento, change, place=tmp_path), name)
    with pytest.raises(ParityError, match="does not answer as the evaluated model") as caught:
        prove(image, oven_golden)
    _, header, worst, *_ = str(caught.value).splitlines()
    assert header.split()[:5] == ["request", "field", "entity", "row", "step"]
    assert worst.split()[1] == field


@pytest.mark.parametrize("name", NOT_READY)
def test_a_service_that_is_not_ready_in_time_is_blocked(
    oven_bento: BuiltBento, oven_golden: list[GoldenRequest], tmp_path: Path, name: str
) -> None:
    change, says = NOT_READY[name]
    image = build(changed(oven_bento, change, place=tmp_path), name)
    with pytest.raises(ParityError, match="is not ready after 10 s; its last lines") as caught:
        prove(image, oven_golden, ready_seconds=10)
    assert says in str(caught.value)


def test_another_major_version_of_xgboost_is_blocked(
    oven_bento: BuiltBento, oven_golden: list[GoldenRequest]
) -> None:
    image = build(oven_bento, "old-xgboost", base=image_cases.old_xgboost())
    with pytest.raises(ParityError, match=f"but xgboost {OLD_XGBOOST} is installed here"):
        prove(image, oven_golden, ready_seconds=10)


def test_a_service_that_ends_is_blocked_at_once(
    oven_bento: BuiltBento, oven_golden: list[GoldenRequest], tmp_path: Path
) -> None:
    change = rewritten(
        "service.py", "PORT = 8000\n", "raise SystemExit('no licence')\nPORT = 8000\n"
    )
    image = build(changed(oven_bento, change, place=tmp_path), "ends")
    with pytest.raises(ParityError, match=r"has ended with exit status 1.*\n.*no licence"):
        prove(image, oven_golden)


def test_a_service_that_breaks_off_is_blocked(
    oven_bento: BuiltBento, oven_golden: list[GoldenRequest], tmp_path: Path
) -> None:
    change = rewritten("http/endpoints.py", TOLD, f"        import os; os._exit(9)\n{TOLD}")
    image = build(changed(oven_bento, change, place=tmp_path), "breaks-off")
    with pytest.raises(ParityError, match="breaks off, request [0-3] is not answered"):
        prove(image, oven_golden)


def test_too_few_golden_requests_prove_nothing(
    oven_image: ServiceImage, oven_golden: list[GoldenRequest]
) -> None:
    with pytest.raises(ParityError, match="with 499 golden requests; at least 500"):
        prove(oven_image, oven_golden[:499])


def test_an_image_that_does_not_say_what_it_serves_is_blocked(
    oven_golden: list[GoldenRequest],
) -> None:
    with pytest.raises(ParityError, match="has no label ml-assets.model"):
        prove(ServiceImage(BASE, BASE), oven_golden)


def test_an_image_that_is_gone_says_nothing_about_the_model(
    oven_golden: list[GoldenRequest],
) -> None:
    with pytest.raises(GoneError, match="it is not there"):
        prove(ServiceImage("oven:v3", f"sha256:{'0' * 64}"), oven_golden)
