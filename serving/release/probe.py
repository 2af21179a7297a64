"""Serves a Bento with `bentoml serve` for as long as someone asks it, and asks it."""

import errno
import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from serving.release.asking import AskingError, ask, is_ready
from serving.release.packaging import bentoml_environment
from serving.runtime.errors import MLAssetsError
from serving.runtime.request import Columns

HOST = "127.0.0.1"
READY_SECONDS, STOP_SECONDS = 60, 10
ATTEMPTS = 3

Process = subprocess.Popen[bytes]

_log = logging.getLogger(__name__)


class ProbeError(MLAssetsError):
    """A service does not start, or does not answer as it should."""


class PortTakenError(ProbeError):
    """Another process took a port, the service's or one of BentoML's own, before it was used."""


@dataclass(frozen=True)
class Reply:
    """What a service replied.

    Attributes:
        status: The HTTP status.
        content: The JSON object.
    """

    status: int
    content: Mapping[str, object]


@dataclass(frozen=True)
class Service:
    """A service that is running on this machine.

    Attributes:
        port: Where it listens.
        process: The process that looks after its workers.
        log: The file that holds what they log.
    """

    port: int
    process: Process
    log: Path

    def is_ready(self) -> bool:
        """Whether the service says that it is ready."""
        return is_ready(HOST, port=self.port)

    def predict(self, data: Columns) -> Reply:
        """Sends columns to `/predict`.

        Raises:
            ProbeError: The service breaks off, or replies with something that is no JSON object.
        """
        body = json.dumps({"data": data}).encode()
        try:
            (reply,) = ask(HOST, [body], port=self.port)
            return Reply(reply.status, json.loads(reply.body))
        except (AskingError, ValueError) as error:
            raise ProbeError(f"the service on port {self.port} does not answer: {error}") from error


@contextmanager
def serve_bento(
    bento: str, *, bento_home: Path, settings: Mapping[str, str] | None = None
) -> Iterator[Service]:
    """Runs `bentoml serve` on a free port of this machine until the block ends.

    Args:
        bento: The Bento's tag, or the path of its directory.
        bento_home: `BENTOML_HOME` of the store.
        settings: Environment variables that the service reads.

    Yields:
        The service, ready to answer.

    Raises:
        ProbeError: The service ends, or is not ready in time; the message has its last lines.
    """
    with ExitStack() as stack:
        for attempts_left in reversed(range(ATTEMPTS)):
            try:
                service = stack.enter_context(
                    _served(bento, home=bento_home, settings=settings or {})
                )
                break
            except PortTakenError:
                if not attempts_left:
                    raise
        yield service


@contextmanager
def _served(bento: str, *, home: Path, settings: Mapping[str, str]) -> Iterator[Service]:
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        log = Path(scratch, "log")
        _log.info("serving %s on port %d", bento, port)
        environment = {**bentoml_environment(home), **_places(Path(scratch)), **settings}
        process = _start(bento, port=port, environment=environment, log=log)
        service = Service(port, process, log)
        try:
            _await_ready(service, bento=bento)
            yield service
        finally:
            _stop(service.process)


def _places(scratch: Path) -> Mapping[str, str]:
    """Where a server writes, so that nothing of it is left."""
    return {"TMPDIR": str(scratch), "PROMETHEUS_MULTIPROC_DIR": str(scratch / "metrics")}


def _start(bento: str, *, port: int, environment: Mapping[str, str], log: Path) -> Process:
    """Starts a server with its own group of processes."""
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603  our own interpreter
            [sys.executable, "-m", "bentoml", "serve", bento, "--host", HOST, "--port", str(port)],
            cwd=log.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _await_ready(service: Service, *, bento: str) -> None:
    process = service.process
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if service.is_ready():
            return
        time.sleep(0.05)
    state = "has ended" if process.poll() is not None else f"is not ready after {READY_SECONDS} s"
    last = "\n".join(service.log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
    taken = os.strerror(errno.EADDRINUSE) in last
    raise (PortTakenError if taken else ProbeError)(
        f"the service of {bento} {state}; its last lines:\n{last}"
    )


def _stop(process: Process) -> None:
    """Ends a server in an orderly way, and whatever is left of it after that.

    Its workers have sessions of their own, so that its group does not hold them.
    """
    with suppress(psutil.NoSuchProcess):
        family = [psutil.Process(process.pid)]
        family += family[0].children(recursive=True)
        process.terminate()
        _, left = psutil.wait_procs(family, timeout=STOP_SECONDS)
        for one in left:
            with suppress(psutil.NoSuchProcess):
                one.kill()
    process.wait()


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nothing listened on a moment ago."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]


def probe_bento(bento: str, data: Columns, *, bento_home: Path) -> Mapping[str, object]:
    """Serves a Bento, asks it one prediction, and stops it.

    Args:
        bento: Its tag, or the path of its directory.
        data: Columns of the request.
        bento_home: `BENTOML_HOME` of the store.

    Returns:
        The service's answer: the model, and its predictions.

    Raises:
        ProbeError: The service does not start, or refuses the request.
    """
    with serve_bento(bento, bento_home=bento_home) as service:
        reply = service.predict(data)
    if reply.status != 200:
        raise ProbeError(f"{bento} answers with status {reply.status}: {reply.content}")
    return reply.content
