"""What the exporter says of Dagster, asked of a real webserver."""

import time
from collections.abc import Iterator, Mapping

import dagster as dg
import pytest
from prometheus_client.core import Metric

from platform_metrics import webserver as webserver_module
from platform_metrics.failures import SourceError
from platform_metrics.webserver import Dagster
from tests.integration.metrics_cases import WebserverCase, running_webserver

Labels = frozenset[tuple[str, str]]


@pytest.fixture(scope="module")
def webserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebserverCase]:
    with running_webserver(tmp_path_factory.mktemp("webserver")) as case:
        yield case


@pytest.fixture
def case(webserver: WebserverCase) -> WebserverCase:
    """The webserver without runs."""
    for run in webserver.instance.get_runs():
        webserver.instance.delete_run(run.run_id)
    return webserver


def values(source: Dagster, name: str) -> Mapping[Labels, float]:
    found: list[Metric] = [one for one in source.read() if one.name == name]
    assert len(found) == 1
    return {frozenset(sample.labels.items()): sample.value for sample in found[0].samples}


def value(source: Dagster, name: str, **labels: str) -> float:
    return values(source, name)[frozenset(labels.items())]


def test_runs_are_counted_by_location_job_and_status(case: WebserverCase) -> None:
    case.ended("oven_ingest")
    case.ended("oven_ingest", fails=True)
    case.run("oven_ingest", dg.DagsterRunStatus.STARTED)
    source = Dagster(case.url)
    job = {"location": "ml_assets", "job_name": "oven_ingest"}
    for status, count in {"success": 1, "failure": 1, "started": 1, "canceled": 0}.items():
        assert value(source, "dagster_runs", **job, status=status) == count


def test_runs_that_end_between_two_looks_are_counted_then(case: WebserverCase) -> None:
    source = Dagster(case.url)
    labels = {"location": "ml_assets", "job_name": "oven_ingest", "status": "success"}
    assert value(source, "dagster_runs", **labels) == 0
    case.ended("oven_ingest")
    assert value(source, "dagster_runs", **labels) == 1


def test_the_same_job_in_two_locations_is_two(case: WebserverCase) -> None:
    case.run("__ASSET_JOB", dg.DagsterRunStatus.STARTED)
    source, job = Dagster(case.url), {"job_name": "__ASSET_JOB", "status": "started"}
    assert value(source, "dagster_runs", location="ml_assets", **job) == 0
    assert value(source, "dagster_runs", location="release", **job) == 1


def test_the_queue_has_a_length_and_an_age(case: WebserverCase) -> None:
    source = Dagster(case.url)
    assert values(source, "dagster_queue_oldest_run_timestamp_seconds") == {}
    before = time.time()
    for _ in range(2):
        case.run("oven_ingest", dg.DagsterRunStatus.QUEUED)
    assert value(source, "dagster_queue_runs") == 2
    oldest = value(source, "dagster_queue_oldest_run_timestamp_seconds")
    assert before - 1 < oldest <= time.time()


def test_the_last_run_of_a_job_is_the_newest_that_ended(case: WebserverCase) -> None:
    before = time.time()
    case.ended("oven_ingest")
    case.ended("oven_ingest", fails=True)
    source, job = Dagster(case.url), {"location": "ml_assets", "job_name": "oven_ingest"}
    assert value(source, "dagster_job_last_run_status", **job, status="failure") == 1
    assert value(source, "dagster_job_last_run_status", **job, status="success") == 0
    assert value(source, "dagster_job_last_run_end_timestamp_seconds", **job) >= before - 1


def test_a_failed_release_is_told_until_it_is_released(case: WebserverCase) -> None:
    source = Dagster(case.url)
    case.ended("release", fails=True, partition="iris:v3")
    assert value(source, "platform_release_failed", model="iris", version="v3") == 1
    assert value(source, "platform_releases_failed") == 1
    case.ended("release", partition="iris:v3")
    assert value(source, "platform_releases_failed") == 0


def test_a_failed_release_is_told_though_the_webserver_was_away_half_way(
    case: WebserverCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.ended("release", fails=True, partition="iris:v3")
    source = Dagster(case.url)
    # As if it had begun to watch long after.
    monkeypatch.setattr(source, "_looked", time.time() + 3600)
    with monkeypatch.context() as away:
        away.setattr(webserver_module, "releases_query", lambda: "query { nothing }")
        with pytest.raises(SourceError, match="400"):
            source.read()
    assert value(source, "platform_releases_failed") == 1


def test_features_are_told_of_models_that_have_any(case: WebserverCase) -> None:
    source = Dagster(case.url)
    name = "platform_features_last_ingest_timestamp_seconds"
    key = dg.AssetKey(["oven", "online_features"])
    before = time.time()
    case.instance.report_runless_asset_event(dg.AssetMaterialization(key))
    found = values(source, name)
    assert set(found) == {frozenset({("model", "oven")})}
    assert before - 1 < value(source, name, model="oven") <= time.time()


def test_code_locations_that_load_are_told(case: WebserverCase) -> None:
    for location in ("ml_assets", "release"):
        loaded = value(Dagster(case.url), "dagster_code_location_loaded", location=location)
        assert loaded == 1


def test_a_daemon_that_never_was_is_not_healthy(case: WebserverCase) -> None:
    found = values(Dagster(case.url), "dagster_daemon_healthy")
    assert found
    assert set(found.values()) == {0}


def test_a_webserver_that_is_away_is_an_error_that_names_it() -> None:
    with pytest.raises(SourceError, match="127.0.0.1:9/graphql does not answer"):
        Dagster("http://127.0.0.1:9").read()


def test_a_server_that_is_no_dagster_is_an_error(case: WebserverCase) -> None:
    with pytest.raises(SourceError, match="server_info"):
        Dagster(f"{case.url}/server_info?").read()
