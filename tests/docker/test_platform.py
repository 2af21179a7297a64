"""The platform does its main job: a model is trained, promoted, released and answers."""

import json
import subprocess
import urllib.request
from typing import Any

import pytest

from ml_assets.resources.version_files import RegisteredVersion
from serving.release.partitions import partition_key
from tests.docker.engine import engine
from tests.docker.platform import PlatformCase, until
from tests.docker.ports import answering_elsewhere, answers, published_ports
from tests.integration.workplace import SIMULATED, read_spec

pytestmark = pytest.mark.docker

ASK = """
import json, sys, urllib.request
body = sys.stdin.buffer.read()
url, kind = "http://127.0.0.1:8000/predict", {"Content-Type": "application/json"}
print(urllib.request.urlopen(urllib.request.Request(url, body, kind)).read().decode())
"""
LOOK = """
import json, os, re, socket
from pathlib import Path
def reaches(host, port):
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError:
        return False
    return True

found = {
    "sockets": [str(path) for path in Path("/run").glob("**/docker*") if path.is_socket()],
    "docker": [part for part in os.environ["PATH"].split(":") if Path(part, "docker").exists()],
    "secrets": sorted(name for name in os.environ if re.search(
        "PASSWORD|SECRET|TOKEN|KEY|CREDENTIAL|AUTH|COSIGN|DOCKER|RELEASE|STOR[AE]G?|SIGN|CUSTOM|DELIV",
        name)),
    "reaches": [name for name in ("mlflow", "registry", "registry.local") if reaches(name, 5000)],
    "files": [path for path in ("/run/registry-auth", "/run/secrets", "/run/signing", "/run/scan",
              "/run/customers.yaml", "/var/lib/deliveries") if Path(path).exists()],
    "keys": [str(path) for top in ("/run", "/var/lib", "/app", "/home", "/tmp")
             for path in Path(top).rglob("*.key")],
    "uid": os.getuid(),
    "capabilities": next(line.split()[1] for line in open("/proc/self/status")
                         if line.startswith("CapEff")),
    "writes_code": os.access("/app/ml_assets/definitions.py", os.W_OK),
}
print(json.dumps(found))
"""

ASK_OFTEN = """
from dagster import DagsterInstance
from sqlalchemy import event
from sqlalchemy.engine import Engine

connected = []
event.listen(Engine, "connect", lambda *_: connected.append(1))
instance = DagsterInstance.get()
instance.get_runs_count()
before = len(connected)
for _ in range(20):
    instance.get_runs_count()
    instance.get_dynamic_partitions("none")
    instance.all_instigator_state()
print(before > 0, len(connected) - before)
"""


@pytest.fixture(scope="module")
def trained(platform: PlatformCase) -> str:
    """A run that trains the model iris; its container may still be there."""
    return platform.train()


@pytest.fixture(scope="module")
def version(platform: PlatformCase, trained: str) -> RegisteredVersion:
    """What that run has promoted."""
    assert platform.wait_for_end(trained).status == "SUCCESS"
    return platform.registry.require("iris", "production")


def test_a_run_has_no_socket_no_credentials_and_no_rights(
    platform: PlatformCase, trained: str
) -> None:
    container = platform.run_container(trained)
    seen = json.loads(engine("exec", container, "python", "-c", LOOK))
    assert seen == {
        "sockets": [],
        "docker": [],
        "secrets": ["DAGSTER_STORAGE", "FEAST_ONLINE_STORE"],
        "reaches": ["mlflow"],
        "files": [],
        "keys": [],
        "uid": 1000,
        "capabilities": "0000000000000000",
        "writes_code": False,
    }


def test_dagster_keeps_its_connection_to_postgresql(platform: PlatformCase) -> None:
    assert engine("exec", platform.container("daemon"), "python", "-c", ASK_OFTEN) == "True 0"


def test_the_run_is_executed_in_the_training_image(platform: PlatformCase, trained: str) -> None:
    container = platform.run_container(trained)
    image = engine("inspect", "--format", "{{.Config.Image}}", container)
    assert image.startswith("ml-assets-train:")


def test_the_model_is_trained_and_promoted(
    platform: PlatformCase, version: RegisteredVersion
) -> None:
    assert version.version == max(platform.registry.aliases("iris"))


def test_the_promoted_model_is_released_by_itself(
    platform: PlatformCase, version: RegisteredVersion
) -> None:
    platform.released(partition_key("iris", version.version))
    tags = platform.registry.version("iris", version.version).tags
    reference = f"{platform.images}/iris:v{version.version}"
    assert tags["image"] == reference
    engine("pull", reference)
    digests = json.loads(engine("inspect", "--format", "{{json .RepoDigests}}", reference))
    assert any(digest.endswith(tags["image_digest"]) for digest in digests)


def test_the_image_answers_without_any_network(
    platform: PlatformCase, version: RegisteredVersion
) -> None:
    image = platform.registry.version("iris", version.version).tags["image"]
    example = platform.registry.example(version)
    options = ("--network=none", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--user=1000")
    service = engine("run", "--detach", "--rm", *options, image)
    try:
        until(
            lambda: engine("inspect", "--format", "{{.State.Health.Status}}", service) == "healthy",
            seconds=60,
            what="the service",
        )
        answer = ask(service, example.model_dump_json())
    finally:
        engine("stop", "--time", "3", service)
    assert answer["model"] == {"name": "iris", "version": str(version.version)}
    assert answer["predictions"] == ["setosa"] * len(answer["predictions"])


def ask(container: str, body: str) -> dict[str, object]:
    printed = engine("exec", "--interactive", container, "python", "-c", ASK, text=body)
    answer: dict[str, object] = json.loads(printed)
    return answer


def test_ended_run_containers_are_removed_and_their_output_is_kept(
    platform: PlatformCase, trained: str
) -> None:
    until(lambda: platform.run_containers() == [], seconds=30, what="the removal of run containers")
    kept = platform.compose("exec", "-T", "run-keeper", "find", "/var/lib/dagster/storage").stdout
    assert any(trained in line and "container-" in line for line in kept.splitlines())


def test_only_intended_ports_are_published(platform: PlatformCase) -> None:
    published = published_ports(platform)
    assert published.keys() == {"webserver", "mlflow", "registry", "postgres"}
    assert {address for ports in published.values() for address, _ in ports} == {"127.0.0.1"}


def test_nothing_answers_on_this_machines_other_addresses(platform: PlatformCase) -> None:
    ports = {port for ports in published_ports(platform).values() for _, port in ports}
    assert all(answers("127.0.0.1", port) for port in ports)
    assert answering_elsewhere(ports) == []


@pytest.mark.parametrize("service", ["webserver", "mlflow", "postgres", "code-training"])
def test_no_service_but_the_daemon_and_the_keeper_has_the_engines_socket(
    platform: PlatformCase, service: str
) -> None:
    mounts = engine("inspect", "--format", "{{json .Mounts}}", platform.container(service))
    assert "docker.sock" not in mounts


def test_no_service_has_the_key_the_customers_or_the_deliveries(platform: PlatformCase) -> None:
    services = platform.compose("ps", "--services").stdout.split()
    mounts = {
        service: engine("inspect", "--format", "{{json .Mounts}}", platform.container(service))
        for service in services
    }
    assert {"code-release", "code-training", "daemon", "webserver"} <= mounts.keys()
    assert [one for one, told in mounts.items() if str(platform.home) in told] == []


def test_a_run_is_cancelled_even_while_its_container_is_being_started(
    platform: PlatformCase,
) -> None:
    run = platform.train()
    until(
        lambda: platform.dagster.news(run).status in {"STARTING", "STARTED"},
        seconds=60,
        what="the start",
    )
    platform.dagster.cancel(run)
    assert platform.wait_for_end(run).status == "CANCELED"


def test_the_one_shot_train_exits_with_the_runs_result(platform: PlatformCase) -> None:
    ended = platform.compose("--profile", "train", "run", "--rm", "train", MODEL="iris")
    promoted = platform.registry.require("iris", "production")
    assert f"Promoted {promoted.label}" in ended.stdout


def test_a_job_that_there_is_not_is_a_sentence(platform: PlatformCase) -> None:
    ended = launched(platform, "nothing")
    assert ended.returncode == 1
    assert "there is no job nothing_train" in ended.stderr


def test_a_failed_run_ends_with_what_its_step_says(platform: PlatformCase) -> None:
    ended = launched(platform, "iris", "--source", "data/missing.csv")
    assert ended.returncode == 1
    assert "error: dataset: " in ended.stderr
    assert "missing.csv" in ended.stderr


def launched(platform: PlatformCase, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ("python", "-m", "commands", "launch", *arguments)
    return platform.compose("run", "--rm", "--no-deps", "-T", "train", *command, check=False)


def test_feast_serves_what_a_run_has_ingested(platform: PlatformCase) -> None:
    run = platform.dagster.launch("transformer_temperature_ingest", {"source": SIMULATED})
    assert platform.wait_for_end(run).status == "SUCCESS"
    platform.compose("--profile", "feast", "up", "--detach", "--wait", "--no-deps", "feast")
    try:
        answer = online_features(platform, entities=["1", "2", "nobody"])
    finally:
        platform.compose("rm", "--stop", "--force", "feast")
    names = answer["metadata"]["feature_names"]
    latest = dict(zip(names, answer["results"], strict=True))["OT_lag_0"]
    assert latest["statuses"][:2] == ["PRESENT", "PRESENT"]
    assert latest["statuses"][2] != "PRESENT"
    assert all(-40 < value < 140 for value in latest["values"][:2])


def online_features(platform: PlatformCase, *, entities: list[str]) -> dict[str, Any]:
    """What Feast's server answers for the one feature view that there is."""
    view = read_spec("transformer_temperature").feature_view
    body = {"features": [f"{view}:OT_lag_0"], "entities": {"entity": entities}}
    url = f"http://localhost:{platform.settings['FEAST_PORT']}/get-online-features"
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        answer: dict[str, Any] = json.load(reply)
    return answer
