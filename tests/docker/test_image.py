"""The image of a service: a thin layer that nobody can write, the same each time, well labelled."""

import json
import os
import shutil
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from serving.release import image
from serving.release.engine import EngineError
from serving.release.image import BASE as BASE_LABEL
from serving.release.image import BENTO, GIT_COMMIT, VERSION, ImageError, ServiceImage, build_image
from serving.release.packaging import BuiltBento
from tests.docker.engine import engine
from tests.docker.image_cases import BASE, FAMILY, LABELS, build, changed, derived

pytestmark = pytest.mark.docker

LISTING = r"%p %U:%G %m %TY-%Tm-%TdT%TH:%TM:%TS\n"


@pytest.fixture
def copy(oven_bento: BuiltBento, tmp_path: Path) -> BuiltBento:
    """The same Bento in another place, with files that were changed just now."""
    place = shutil.copytree(oven_bento.path, tmp_path / "copy", copy_function=shutil.copyfile)
    return BuiltBento(oven_bento.tag, place)


def inspect(name: str, form: str) -> str:
    return engine("image", "inspect", f"--format={form}", name)


def labels(built: ServiceImage) -> dict[str, str]:
    found: dict[str, str] = json.loads(inspect(built.id, "{{json .Config.Labels}}"))
    return found


def add_comment(source: Path) -> None:
    with (source / "serving" / "runtime" / "served.py").open("a") as file:
        file.write("# changed\n")


def test_a_bento_is_one_layer_on_top_of_the_base(oven_image: ServiceImage) -> None:
    layers = json.loads(inspect(oven_image.id, "{{json .RootFS.Layers}}"))
    assert layers[:-1] == json.loads(inspect(BASE, "{{json .RootFS.Layers}}"))


def test_the_layer_holds_the_bento_and_no_caches(
    oven_bento: BuiltBento, oven_image: ServiceImage
) -> None:
    files = engine("run", "--rm", "--network=none", oven_image.id, "find", "/bento", "-type", "f")
    wanted = (path for path in oven_bento.path.rglob("*") if path.is_file())
    assert {*files.split()} == {f"/bento/{path.relative_to(oven_bento.path)}" for path in wanted}


def test_all_of_the_layer_is_roots_and_read_only_and_of_one_time(oven_image: ServiceImage) -> None:
    options = ("--rm", "--network=none", oven_image.id)
    listing = engine("run", *options, "find", "/bento", "-printf", LISTING)
    found = [line.split()[1:] for line in listing.splitlines()]
    assert {(owner, mode) for owner, mode, _ in found} == {
        ("0:0", "444"),
        ("0:0", "555"),
    }
    times = {time.partition(".")[0] for *_, time in found}
    assert times == {labels(oven_image)["org.opencontainers.image.created"].partition(".")[0]}


def test_an_image_is_as_old_as_its_bento(oven_image: ServiceImage) -> None:
    created = labels(oven_image)["org.opencontainers.image.created"].partition(".")[0]
    assert inspect(oven_image.id, "{{.Created}}") == f"{created}Z"


def test_labels_say_what_it_is_and_what_it_was_made_of(oven_image: ServiceImage) -> None:
    found = labels(oven_image)
    content, created = found.pop(BENTO), found.pop("org.opencontainers.image.created")
    assert content.startswith("sha256:")
    assert created.startswith("20")
    inherited = {"org.opencontainers.image.licenses", "ml-assets.lock"}
    assert {key: value for key, value in found.items() if key not in inherited} == {
        "ml-assets.model": "oven",
        "ml-assets.version": "3",
        "ml-assets.data-version": "seed 1",
        "ml-assets.git-commit": "0123abc",
        "ml-assets.mlflow-run": "run1",
        "ml-assets.base": inspect(BASE, "{{.Id}}"),
        "org.opencontainers.image.title": "oven",
        "org.opencontainers.image.version": "3",
        "org.opencontainers.image.revision": "0123abc",
        "org.opencontainers.image.base.name": BASE,
    }


def test_the_same_bento_gives_the_same_image(copy: BuiltBento, oven_image: ServiceImage) -> None:
    (copy.path / "src" / "__pycache__").mkdir()
    (copy.path / "src" / "__pycache__" / "app.cpython-311.pyc").touch()
    assert build(copy, "again").id == oven_image.id


def test_what_the_engine_has_is_not_built_again(copy: BuiltBento, oven_image: ServiceImage) -> None:
    tagged = inspect(oven_image.id, "{{.Metadata.LastTagTime}}")
    assert build(copy, "v3") == oven_image
    assert inspect(oven_image.id, "{{.Metadata.LastTagTime}}") == tagged


def test_another_bento_gives_another_image_under_the_name(
    oven_bento: BuiltBento, tmp_path: Path
) -> None:
    first = build(oven_bento, "changes")
    second = build(changed(oven_bento, add_comment, place=tmp_path), "changes")
    assert labels(second)[BENTO] != labels(first)[BENTO]
    assert inspect(second.name, "{{.Id}}") == second.id != first.id


def test_another_base_gives_another_image(oven_bento: BuiltBento, oven_image: ServiceImage) -> None:
    base = derived("other", "RUN touch /other")
    other = build(oven_bento, "other-base", base=base)
    assert labels(other)[BASE_LABEL] == inspect(base, "{{.Id}}") != labels(oven_image)[BASE_LABEL]


def test_another_commit_gives_another_image(
    oven_bento: BuiltBento, oven_image: ServiceImage
) -> None:
    name = f"{FAMILY}/oven:commits"
    build_image(oven_bento, name=name, base=BASE, labels=LABELS)
    other = build_image(oven_bento, name=name, base=BASE, labels={**LABELS, GIT_COMMIT: "4567def"})
    assert labels(other)["org.opencontainers.image.revision"] == "4567def"


def test_a_build_takes_at_most_five_seconds(oven_bento: BuiltBento, tmp_path: Path) -> None:
    bento = changed(oven_bento, add_comment, place=tmp_path)
    started = time.monotonic()
    build(bento, "timed")
    assert time.monotonic() - started < 5


def test_a_base_that_is_missing_is_told_how_to_build(oven_bento: BuiltBento) -> None:
    with pytest.raises(EngineError, match=r"no image nobody/base:1 .* docker/build"):
        build(oven_bento, "no-base", base="nobody/base:1")


def test_a_base_that_is_replaced_during_the_build_is_noticed(
    oven_bento: BuiltBento, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = derived("moving", "RUN touch /first")
    staged = image._staged

    def staged_too_late(layer: bytes) -> AbstractContextManager[Path]:
        derived("moving", "RUN touch /second")
        return staged(layer)

    monkeypatch.setattr(image, "_staged", staged_too_late)
    with pytest.raises(ImageError, match="was replaced by another one during the build"):
        build(oven_bento, "moving", base=base)


def test_labels_that_contradict_the_bento_are_refused(oven_bento: BuiltBento) -> None:
    with pytest.raises(ImageError, match="ml-assets.version is to be '4', .* of '3'"):
        build_image(oven_bento, name=f"{FAMILY}/oven:v4", base=BASE, labels={VERSION: "4"})


def test_what_is_no_bento_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="not a Bento that can be read"):
        build(BuiltBento("oven:v3", tmp_path), "none")


def test_no_space_to_stage_is_a_clear_error(
    copy: BuiltBento, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "full"))
    add_comment(copy.path / "src")
    with pytest.raises(ImageError, match="can't be staged.*make room"):
        build(copy, "unstaged")


def test_an_engine_out_of_reach_is_a_clear_error(
    oven_bento: BuiltBento, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    with pytest.raises(EngineError, match="the Docker Engine is out of reach"):
        build(oven_bento, "v3")
