"""A data set "toy" on a loopback server, which serves, refuses, stalls, breaks off or lies.

A plugin of the tests that fetch (PYTEST_DONT_REWRITE: they also import from it).
"""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mcbook import data

CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """What happens depends on the path: good, missing, lies, short, flaky, stalls, slow."""

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        with server.lock:
            server.hits.append(self.path)
            nth = server.hits.count(self.path)
        mode = self.path.strip("/").split("/")[0]
        if mode == "missing":
            return self.send_error(404)
        if mode == "stalls":
            server.released.wait(10)
            return None
        broken = mode == "short" or (mode == "flaky" and nth == 1)
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        body = CONTENT[::-1] if mode == "lies" else CONTENT[:1000] if broken else CONTENT
        for start in range(0, len(body), 8192):
            self.wfile.write(body[start : start + 8192])
            if mode == "slow":
                self.wfile.flush()
                server.released.wait(0.05)
        return None

    def log_message(self, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.hits: list[str] = []
        self.lock, self.released = threading.Lock(), threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients that are killed break their pipes


@pytest.fixture
def toy_server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MCBOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("MCBOOK_DATA", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def offer(toy_server: Server, cache_folder: Path, monkeypatch: pytest.MonkeyPatch):
    """offer("good", ...) puts a set "toy" into the catalogue whose files the server treats in these ways."""

    def offer(*modes: str) -> data.Dataset:
        files = tuple(
            data.RemoteFile(
                f"{mode}.bin", SHA256, len(CONTENT), f"http://127.0.0.1:{toy_server.server_port}/{mode}"
            )
            for mode in modes
        )
        row = data.Dataset("toy", "A toy", "CC0", "nowhere", "Nobody (2026)", files)
        monkeypatch.setitem(data.DATASETS, "toy", row)
        return row

    return offer


def left_behind(cache_folder: Path) -> list[str]:
    return sorted(path.name for path in cache_folder.rglob("*") if path.is_file())
