"""Which images are here, by tag and by digest."""

from pathlib import Path

import pytest

from operations.compose_model import ComposeModel, Service
from operations.images import missing_images, present_images

DIGEST = f"sha256:{'a' * 64}"
# Prints what the template makes of an image with a tag and of one that was pulled by its digest.
ENGINE = f"""#!/bin/sh
for last; do :; done
fill() {{
  echo "$last" | sed "s|{{{{.Repository}}}}|$1|g; s|{{{{.Tag}}}}|$2|" |
    sed "s|{{{{.Digest}}}}|$3|"
}}
fill ours-train 1 '<none>'
fill db '<none>' {DIGEST}
"""


def model(*images: str) -> ComposeModel:
    services = (Service(name, name, False, True, (), (), 1) for name in images)
    return ComposeModel("ours", tuple(services), {}, {})


@pytest.mark.parametrize("image", ["ours-train:1", f"db@{DIGEST}", f"db:16@{DIGEST}"])
def test_an_image_is_here_by_its_tag_or_its_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: str
) -> None:
    program = tmp_path / "docker"
    program.write_text(ENGINE)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert missing_images(model(image, "ours-train:2"), present_images()) == ["ours-train:2"]
