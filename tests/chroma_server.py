"""A real Chroma server for tests, started by ``chroma run`` on a free port."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragdiag_chroma.place import close

PATIENCE = 60  # seconds until a server that does not start is given up


@dataclass(frozen=True)
class Server:
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def client(self) -> Iterator[Any]:
        """Give a client, and close its connections, which the client itself would not."""
        import chromadb

        client = chromadb.HttpClient(host=self.url)
        try:
            yield client
        finally:
            close(client)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def chroma_server(folder: Path) -> Iterator[Server]:
    """Serve a folder until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("chroma")
    command = [str(program), "run", "--path", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = Server(port, process)
    try:
        _wait(server)
        yield server
    finally:
        server.kill()


def _wait(server: Server) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", server.port), 1).close()
            return
        except OSError:
            assert server.process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.05)
