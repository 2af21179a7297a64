"""A small model, its golden requests, and images of Bentos that were changed on purpose."""

import hashlib
import json
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from serving.golden import GoldenRequest
from serving.release.image import GIT_COMMIT, RUN, ServiceImage, build_image
from serving.release.packaging import BuiltBento
from serving.release.settings import ReleaseSettings
from serving.runtime.model import Model
from serving.runtime.release_notes import RELEASE
from serving.runtime.served import ServedModel
from tests.docker.engine import engine

BASE = ReleaseSettings.from_environment().serve_image
FAMILY = f"ml-assets-tests-{uuid.uuid4().hex[:8]}"
"""What the names of these tests' images begin with."""
LABELS = {GIT_COMMIT: "0123abc", RUN: "run1"}
LOOKBACK = 24
OLD_XGBOOST = "2.1.4"

Change = Callable[[Path], None]
"""Changes the source directory of a Bento."""


def build(bento: BuiltBento, tag: str, *, base: str = BASE) -> ServiceImage:
    return build_image(bento, name=f"{FAMILY}/oven:{tag}", base=base, labels=LABELS)


def changed(bento: BuiltBento, change: Change, *, place: Path) -> BuiltBento:
    """A copy of a Bento whose source was changed."""
    copy = shutil.copytree(bento.path, place / "bento")
    change(copy / "src")
    return BuiltBento(bento.tag, copy)


def derived(tag: str, *steps: str) -> str:
    """An image that goes on from the runtime base."""
    recipe = "\n".join((f"FROM {BASE}", "USER root", *steps, "USER 1000:0"))
    name = f"{FAMILY}/base:{tag}"
    engine("buildx", "build", "--load", "--quiet", f"--tag={name}", "-", text=recipe)
    return name


def old_xgboost() -> str:
    """The runtime base with another major version of xgboost."""
    packages = "/opt/venv/lib/python3.11/site-packages"
    install = "/usr/local/bin/python3 -m pip install --quiet --no-deps --no-compile --upgrade"
    return derived("old", f"RUN {install} --target={packages} xgboost-cpu=={OLD_XGBOOST}")


def history(rng: np.random.Generator, *, entity: str, spelling: str) -> list[dict[str, Any]]:
    """The hourly readings of one oven, as rows."""
    start = np.datetime64("2021-06-01T00", "h") + int(rng.integers(24 * 60))
    times = start + np.arange(LOOKBACK + 2)
    load = np.sin(np.arange(len(times)) * np.pi / 12) + rng.normal(scale=0.3, size=len(times))
    oil = 20 + rng.normal(scale=3) + np.cumsum(rng.normal(size=len(times)))
    return [
        {"date": f"{time}:00:00{spelling}", "oven": entity, "load": one, "OT": two}
        for time, one, two in zip(times, load.tolist(), oil.tolist(), strict=True)
    ]


def request(number: int) -> dict[str, list[Any]]:
    """One to three ovens, their rows interleaved; times in UTC, with an offset, or local."""
    rng = np.random.default_rng(number)
    spelling = ("Z", "+05:30", "")[number // 3 % 3]
    ovens = rng.permutation(["a", "b", "c"])[: 1 + number % 3]
    histories = [history(rng, entity=str(oven), spelling=spelling) for oven in ovens]
    rows = [row for group in zip(*histories, strict=True) for row in group]
    return {name: [row[name] for row in rows] for name in rows[0]}


def golden_requests(model: Model, *, count: int) -> list[GoldenRequest]:
    served = ServedModel(model, "3")
    requests = [request(number) for number in range(count)]
    answers = [served.answer(data)["predictions"] for data in requests]
    return [
        GoldenRequest.model_validate({"data": data, "predictions": answer})
        for data, answer in zip(requests, answers, strict=True)
    ]


def rewritten(file: str, old: str, new: str) -> Change:
    """Replaces one piece of code of the runtime."""

    def change(source: Path) -> None:
        path = source / "serving" / "runtime" / file
        code = path.read_text()
        assert code.count(old) == 1, f"{old!r} is {code.count(old)} times in {file}"
        path.write_text(code.replace(old, new))

    return change


def manifest_with(edit: Callable[[dict[str, Any]], None]) -> Change:
    """Edits the manifest, so that it still says nothing that contradicts itself."""

    def change(source: Path) -> None:
        path = source / "model" / "model.json"
        manifest = json.loads(path.read_text())
        edit(manifest)
        path.write_text(json.dumps(manifest))
        note_digest(source)

    return change


def note_digest(source: Path) -> None:
    """Notes the manifest in the release, as whoever changed it on purpose could do too."""
    path = source / RELEASE
    notes = json.loads(path.read_text())
    digest = hashlib.sha256((source / "model" / "model.json").read_bytes()).hexdigest()
    path.write_text(json.dumps({**notes, "digest": digest}))


def swap_features(manifest: dict[str, Any]) -> None:
    """Swaps two columns of the feature matrix."""
    lags, names = manifest["features"]["columns"]["OT"]["lags"], manifest["feature_names"]
    lags[1], lags[3] = lags[3], lags[1]
    names[1], names[3] = names[3], names[1]


def drop_feature(manifest: dict[str, Any]) -> None:
    manifest["features"]["columns"]["load"]["lags"] = []
    manifest["feature_names"].remove("load_lag_0")


def move_times(manifest: dict[str, Any]) -> None:
    manifest["timezone"] = "Asia/Tokyo"


def move_calendar(manifest: dict[str, Any]) -> None:
    manifest["features"]["timezone"] = "Asia/Tokyo"


def edit_leaf(source: Path) -> None:
    """Adds 0.001 to one leaf of the first tree, and records the file's new digest."""
    path = source / "model" / "model.ubj"
    booster = xgboost.Booster(model_file=path)
    content = json.loads(booster.save_raw("json"))
    tree = content["learner"]["gradient_booster"]["model"]["trees"][0]
    tree["split_conditions"][tree["left_children"].index(-1)] += 0.001
    booster.load_model(bytearray(json.dumps(content), "utf-8"))
    path.write_bytes(booster.save_raw("ubj"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest_with(lambda manifest: manifest["files"].update({path.name: digest}))(source)
