"""A service does not grow."""

import json
from pathlib import Path

import psutil

from benchmarks.load import request_bytes, run_load
from serving.release.packaging import build_bento
from serving.release.probe import HOST, Service, serve_bento
from tests.integration.served import workers
from tests.unit.model_cases import REGISTERED
from tests.unit.request_cases import history, write_forecaster

REQUESTS, WARM_UP = 100_000, 10_000
GROWTH = 1.05
SECONDS = 0.25
"""How long a kind of request is sent until it is the next one's turn."""


def bodies() -> list[tuple[bytes, int]]:
    """Forecasts of different lengths, requests with mistakes of several kinds, and their status."""
    right = [{"data": history(rows, seed=rows)} for rows in (30, 40, 60)]
    wrong = [{"data": {**history(), "OT": ["warm"] * 30}}, {"data": {"x": [1]}}, {"data": 3}]
    return [
        *((json.dumps(one).encode(), 200) for one in right),
        *((json.dumps(one).encode(), 422) for one in wrong),
        *((one, 400) for one in (b"{", b"[" * 1000)),
    ]


def send(service: Service, *, least: int) -> int:
    """Sends every kind of request in turn until so many were answered."""
    answered = 0
    while answered < least:
        for body, status in bodies():
            load = run_load(
                (HOST, service.port),
                request_bytes("/predict", body),
                clients=16,
                seconds=SECONDS,
            )
            assert load.errors == 0
            assert {*load.statuses} == {status}
            answered += len(load.latencies)
    return answered


def resident(service: Service) -> int:
    """Memory of the worker that nobody else uses, in bytes."""
    (worker,) = workers(service)
    return int(psutil.Process(worker.pid).memory_full_info().uss)


def test_memory_stays_over_100_000_requests(tmp_path: Path) -> None:
    write_forecaster(tmp_path / "model")
    bento = build_bento(
        tmp_path / "model", version="3", created=REGISTERED, bento_home=tmp_path / "bentoml"
    )
    quiet = {"LOG_LEVEL": "warning"}
    home = tmp_path / "bentoml"
    with serve_bento(bento.tag, bento_home=home, settings=quiet) as service:
        send(service, least=WARM_UP)
        before = resident(service)
        assert send(service, least=REQUESTS) >= REQUESTS
        grown = resident(service) / before
    assert grown <= GROWTH, f"memory grew to {grown:.3f} times"
