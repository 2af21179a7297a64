"""A socket that leads to the Docker Engine for as long as a test leaves it open."""

import socket
from contextlib import suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingUnixStreamServer
from threading import Thread

ENGINE_SOCKET = "/var/run/docker.sock"


class EngineDoor:
    """Open or shut; when it shuts, connections break off as they do when an engine is killed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.open()

    @property
    def address(self) -> str:
        return f"unix://{self.path}"

    def open(self) -> None:
        self._server = _Server(str(self.path), _Caller)
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def shut(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.path.unlink()
        for connection in self._server.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Server(ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, path: str, caller: type[BaseRequestHandler]) -> None:
        super().__init__(path, caller)
        self.connections: list[socket.socket] = []


class _Caller(BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX) as engine:
            engine.connect(ENGINE_SOCKET)
            self.server.connections += [self.request, engine]
            Thread(target=_pass_on, args=(engine, self.request), daemon=True).start()
            _pass_on(self.request, engine)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
