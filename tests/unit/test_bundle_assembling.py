"""The files of a bundle that are made of templates."""

from pathlib import Path

import pytest
import yaml

from serving.release.bundle.assembling import assemble
from tests.unit.bundle_cases import KeyPair, facts_of, parts
from tests.unit.saved_images import image, layout


@pytest.mark.parametrize(
    ("model", "slug"), [("on", "on"), ("null", "null"), ("y", "y"), ("oven_2_", "oven-2")]
)
def test_a_model_may_have_any_name_that_models_have(tmp_path: Path, model: str, slug: str) -> None:
    found = layout(image("1.0"), tmp_path / "layout")
    (bundle := tmp_path / "bundle").mkdir()
    assemble(bundle, parts(found, facts_of(found, KeyPair(), model=model)))
    compose = yaml.safe_load((bundle / "docker-compose.yml").read_text())
    assert [*compose["services"]] == [model]
    for one in yaml.safe_load_all((bundle / "kubernetes.yaml").read_text()):
        assert one["metadata"]["name"] == slug
