"""A small platform that is watched as the real one is: its own services, their own figures."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import dagster as dg

from benchmarks.image_sizes import version
from run_containers.states import ContainerStates
from serving.release.image import ServiceImage
from tests.docker import compose_service
from tests.docker.image_cases import request
from tests.docker.monitoring import Site
from tests.docker.nginx_cases import HARDENED as NGINX_HARDENED
from tests.docker.nginx_cases import SETTINGS as NGINX_SETTINGS
from tests.docker.platform import until
from tests.integration.metrics_cases import WebserverCase, write_home

RIGHTS = ("--cap-drop=ALL", "--security-opt=no-new-privileges")
HARDENED = ("--read-only", *RIGHTS, "--tmpfs=/tmp")
METRICS = "/tmp/metrics"  # noqa: S108  in MLflow's container
EXPOSED = f"--expose-prometheus={METRICS}"
STATES = ("platform", "containers.prom")
LOAD_PAUSE_SECONDS = 0.05


def start_services(case: Site, image: ServiceImage, home: Path) -> WebserverCase:
    """Starts what docker-compose.yml has, without databases and runs, and waits for it."""
    case.start("api", image.id, *HARDENED, port=8000)
    case.start(
        "mlflow",
        f"ml-assets-mlflow:{version()}",
        f"--env=PROMETHEUS_MULTIPROC_DIR={METRICS}",
        "--env=MLFLOW_BACKEND_STORE_URI=sqlite:////tmp/mlflow.db",
        "--env=MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false",
        "--env=MLFLOW_SERVER_ALLOWED_HOSTS=mlflow,mlflow:5000,localhost:*,127.0.0.1:*",
        command=["mlflow", "server", "--host=0.0.0.0", "--workers=1", EXPOSED],
        port=5000,
    )
    settings = [f"--env={name}={value}" for name, value in NGINX_SETTINGS.items()]
    entry = ("--entrypoint=sh", "--volume=/var/tmp", *NGINX_HARDENED, *settings)
    nginx = compose_service.image("nginx")
    case.start("nginx", nginx, *entry, command=["/etc/nginx/platform/start"], port=8080)
    dagster = _start_dagster(case, home)
    case.start_node_exporter()
    case.start_alertmanager()
    case.start_prometheus()
    until(lambda: _answers(case, "mlflow", "/health"), seconds=240, what="MLflow")
    until(lambda: _answers(case, "api", "/readyz"), seconds=120, what="the service")
    return dagster


def _start_dagster(case: Site, home: Path) -> WebserverCase:
    """The webserver on SQLite in a directory of ours, and the exporter."""
    write_home(home)
    (home / STATES[0]).mkdir()
    for path in (home, *home.rglob("*")):
        path.chmod(0o777)
    image = f"ml-assets-dagster:{version()}"
    us = (f"--user={os.getuid()}:0", f"--volume={home}:/var/lib/dagster/storage")
    at = ("--workdir=/var/lib/dagster/storage", "--env=DAGSTER_HOME=/var/lib/dagster/storage")
    serve = ["dagster-webserver", "-h", "0.0.0.0", "-p", "3070", "-w", "workspace.yaml"]  # noqa: S104
    case.start("webserver", image, *us, *at, command=serve, port=3070)
    checked = ("--health-cmd=health metrics", "--health-interval=5s")
    exporter = ["python", "-m", "platform_metrics"]
    case.start("metrics", image, *HARDENED, *us, *checked, command=exporter)
    until(lambda: _answers(case, "webserver", "/server_info"), seconds=240, what="the webserver")
    url = f"http://127.0.0.1:{case.ports['webserver']}"
    return WebserverCase(url, dg.DagsterInstance.from_config(str(home)))


def _answers(case: Site, service: str, path: str) -> bool:
    with urlopen(f"http://127.0.0.1:{case.ports[service]}{path}", timeout=5) as reply:
        return bool(reply.status == 200)


def make_history(dagster: WebserverCase) -> None:
    """Runs that ended well and badly, a failed release, a queue, and features of today."""
    dagster.ended("oven_ingest")
    dagster.ended("release", fails=True, partition="oven:v3")
    dagster.ended("deliver", partition="oven:v2")
    dagster.run("oven_ingest", dg.DagsterRunStatus.STARTED)
    dagster.run("oven_ingest", dg.DagsterRunStatus.QUEUED)
    ingested = dg.AssetMaterialization(dg.AssetKey(["oven", "online_features"]))
    dagster.instance.report_runless_asset_event(ingested)


@contextmanager
def under_load(case: Site, home: Path) -> Iterator[None]:
    """Requests of all kinds to nginx, the service and MLflow; the engine is looked at as well."""
    ended = threading.Event()
    states = ContainerStates(case.name, home.joinpath(*STATES))
    thread = threading.Thread(target=_keep_asking, args=(case, states, ended))
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _keep_asking(case: Site, states: ContainerStates, ended: threading.Event) -> None:
    number = 0
    while not ended.wait(LOAD_PAUSE_SECONDS):
        number += 1
        states.make_round()
        _post(case, "nginx" if number % 2 else "api", "/predict", {"data": _readings(number)})
        if number % 10 == 0:
            _post(case, "api", "/invocations", {"wrong": 1})
            _post(case, "mlflow", "/api/2.0/mlflow/experiments/search", {"max_results": 5})


def _readings(number: int) -> dict[str, list[Any]]:
    """Readings of which now and then one is missing, and one is far too hot."""
    data = request(number % 50)
    if number % 5 == 0:
        data["OT"][3] = None
        data["OT"][5] = 900.0
    return data


def _post(case: Site, service: str, path: str, content: object) -> int:
    url = f"http://127.0.0.1:{case.ports[service]}{path}"
    body = json.dumps(content).encode()
    try:
        with urlopen(Request(url, body, {"Content-Type": "application/json"}), timeout=10) as reply:
            return int(reply.status)
    except HTTPError as error:
        return error.code
    except OSError:
        return 0
