"""The graph that the YAML files make: a change of it must be meant."""

import json
from pathlib import Path

import dagster as dg

SNAPSHOT = Path(__file__).with_name("graph.json")


def _graph(definitions: dg.Definitions) -> dict[str, object]:
    graph = definitions.resolve_asset_graph()
    assets = {
        key.to_user_string(): {
            "deps": sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
            "group": graph.get(key).group_name,
            "checks": sorted(
                f"{check.name}{' (blocking)' if graph.get(check).blocking else ''}"
                for check in graph.get(key).check_keys
            ),
        }
        for key in sorted(graph.materializable_asset_keys)
    }
    jobs = sorted(job.name for job in definitions.resolve_all_job_defs())
    return {"assets": assets, "jobs": [name for name in jobs if not name.startswith("__")]}


def test_every_asset_has_the_same_key_deps_group_and_checks_as_before(
    definitions: dg.Definitions,
) -> None:
    # After a change that is meant: delete graph.json and run this test once.
    graph = _graph(definitions)
    if not SNAPSHOT.exists():
        SNAPSHOT.write_text(json.dumps(graph, indent=2) + "\n")
    assert graph == json.loads(SNAPSHOT.read_text())


def test_every_model_has_its_four_jobs(definitions: dg.Definitions) -> None:
    names = {job.name for job in definitions.resolve_all_job_defs()}
    for model in ("iris", "transformer_temperature"):
        assert {f"{model}_{job}" for job in ("train", "evaluate", "tune", "ingest")} <= names


def test_the_gates_come_before_the_promotion(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    promotion = graph.get(dg.AssetKey(["iris", "promotion"]))
    assert promotion.parent_keys == {dg.AssetKey(["iris", "evaluation"])}
    gates = graph.get(dg.AssetKey(["iris", "evaluation"])).check_keys
    assert gates
    assert all(graph.get(gate).blocking for gate in gates)


def test_runs_of_one_model_wait_for_each_other(definitions: dg.Definitions) -> None:
    # By this tag, in dagster.yaml.
    assert definitions.resolve_job_def("iris_train").tags["model"] == "iris"
    assert definitions.resolve_job_def("iris_evaluate").tags["model"] == "iris"
