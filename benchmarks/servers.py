"""Starts a server on one core, waits for its first answer, and looks at its processes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from serving.release.packaging import bentoml_environment
from serving.release.probe import HOST
from serving.runtime.errors import MLAssetsError

READY_SECONDS, REPLY_SECONDS, STOP_SECONDS = 60, 30, 10
POLL_SECONDS = 0.02
ROOT = Path(__file__).parents[1]
COMMON = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "PYTHONPATH": str(ROOT),
    # Where nothing is installed compiled, only the first start compiles.
    "PYTHONDONTWRITEBYTECODE": "",
}


class ServerError(MLAssetsError):
    """A server does not start, or does not answer as it should."""


@dataclass(frozen=True)
class Start:
    """How a server is started and asked.

    Attributes:
        command: Its command line.
        environment: Variables of its own.
        path: What answers predictions.
        body: A request.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    path: str
    body: bytes


@dataclass(frozen=True)
class Memory:
    """What processes hold, in bytes.

    Attributes:
        rss: All that is in memory, shared pages included.
        pss: The same, with each shared page divided among those who share it.
        uss: What nobody shares.
    """

    rss: int
    pss: int
    uss: int

    @classmethod
    def of(cls, process: psutil.Process) -> "Memory":
        """What one process holds."""
        held = process.memory_full_info()
        return cls(held.rss, getattr(held, "pss", held.uss), held.uss)


@dataclass(frozen=True)
class Server:
    """A server that is running.

    Attributes:
        port: What it listens on.
        process: What was started; workers may be children of it.
        ready_seconds: From its start to its first answer.
    """

    port: int
    process: psutil.Process
    ready_seconds: float

    def post(self, path: str, body: bytes) -> bytes:
        """The answer to a request.

        Raises:
            ServerError: It is not answered with status 200.
        """
        status, content = post(self.port, path, body)
        if status != 200:
            raise ServerError(f"{path} answers with status {status}: {content[:500]!r}")
        return content

    def processes(self) -> list[psutil.Process]:
        """All its processes."""
        return [self.process, *self.process.children(recursive=True)]

    def cpu_seconds(self) -> dict[psutil.Process, float]:
        """What each of its processes has computed so far."""
        times = {process: process.cpu_times() for process in self.processes()}
        return {process: one.user + one.system for process, one in times.items()}

    def busiest(
        self, before: Mapping[psutil.Process, float], *, count: int
    ) -> list[psutil.Process]:
        """The processes that have computed most since ``before``: those that answer."""
        now = self.cpu_seconds()
        return sorted(now, key=lambda process: before.get(process, 0.0) - now[process])[:count]

    def memory(self) -> Memory:
        """What all its processes hold together; shared pages count in each one's RSS."""
        held = [Memory.of(process) for process in self.processes()]
        return Memory(*(sum(getattr(one, kind) for one in held) for kind in ("rss", "pss", "uss")))


@contextmanager
def served(start: Start, *, port: int, home: Path, cores: Sequence[int]) -> Iterator[Server]:
    """Runs a server on some cores until the block ends.

    Args:
        start: How it is started.
        port: What it shall listen on.
        home: `BENTOML_HOME` of the store.
        cores: The cores that all its processes share; none where the system can't hold them.

    Raises:
        ServerError: It ends, or is not ready in time; the message has its last lines.
    """
    with TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        log = Path(scratch, "log")
        begin = time.perf_counter()
        with pinned(cores):
            process = _start(start, scratch=Path(scratch), log=log, home=home)
        try:
            _await_answer(start, process, port=port, log=log)
            yield Server(port, process, time.perf_counter() - begin)
        finally:
            stop(process)


def _start(start: Start, *, scratch: Path, log: Path, home: Path) -> psutil.Popen:
    """Starts a server in a directory of its own, where Ctrl-C does not reach it."""
    # `mlflow models serve` starts the first uvicorn of the path.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    own = {
        "PATH": path,
        "TMPDIR": str(scratch),
        "PROMETHEUS_MULTIPROC_DIR": str(scratch / "metrics"),
    }
    with log.open("wb") as output:
        return psutil.Popen(
            start.command,
            cwd=scratch,
            env={**bentoml_environment(home), **COMMON, **own, **start.environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _await_answer(start: Start, process: psutil.Popen, *, port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError, HTTPException):
            if post(port, start.path, start.body)[0] == 200:
                return
        time.sleep(POLL_SECONDS)
    state = "has ended" if process.poll() is not None else f"is silent after {READY_SECONDS} s"
    last = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
    raise ServerError(f"{' '.join(start.command)} {state}; its last lines:\n{last}")


def stop(process: psutil.Popen) -> None:
    """Ends a server and all that it has started; nothing that they hold is needed any more.

    BentoML's workers have groups of their own, so that the server's group is not all of it.
    """
    with suppress(psutil.NoSuchProcess):
        process.suspend()  # or it would start other workers for those that end
        children = process.children(recursive=True)
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        process.kill()
        psutil.wait_procs(children, timeout=STOP_SECONDS)
    process.wait()


def post(port: int, path: str, body: bytes) -> tuple[int, bytes]:
    """Status and content of the answer to a request of JSON."""
    with closing(HTTPConnection(HOST, port, timeout=REPLY_SECONDS)) as connection:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()


@contextmanager
def pinned(cores: Sequence[int]) -> Iterator[None]:
    """Holds this thread, and the processes that it starts, to some cores; to none means to all."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
