"""Fetching data: verified, cached, safe under concurrency, and clear about every way it can go wrong.

No network: a server on this machine's loopback serves, refuses, stalls, breaks off or lies, by path.
"""

import errno
import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mcbook import data
from mcbook.data import __main__ as cli
from mcbook.data import store

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
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MCBOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("MCBOOK_DATA", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def offer(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch):
    """offer("good", ...) puts a set "toy" into the catalogue whose files the server treats in these ways."""

    def offer(*modes: str) -> data.Dataset:
        files = tuple(
            data.RemoteFile(
                f"{mode}.bin", SHA256, len(CONTENT), f"http://127.0.0.1:{server.server_port}/{mode}"
            )
            for mode in modes
        )
        row = data.Dataset("toy", "A toy", "CC0", "nowhere", "Nobody (2026)", files)
        monkeypatch.setitem(data.DATASETS, "toy", row)
        return row

    return offer


def left_behind(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.rglob("*") if path.is_file())


# ---- it works -------------------------------------------------------------------------------------------


def test_a_file_is_fetched_once_then_served_from_the_cache(offer, server: Server, cache: Path) -> None:
    offer("good")
    assert not data.available("toy")
    (path,) = store.paths("toy")
    assert path == cache / "toy" / "good.bin"
    assert path.read_bytes() == CONTENT
    assert data.available("toy")
    assert store.paths("toy") == [path]
    assert store.paths("toy", fetch=False) == [path]
    assert server.hits == ["/good"]
    assert left_behind(cache) == ["good.bin"]


def test_a_connection_that_breaks_off_is_tried_again(offer, server: Server, cache: Path) -> None:
    offer("flaky")
    (path,) = store.paths("toy")
    assert path.read_bytes() == CONTENT
    assert server.hits == ["/flaky", "/flaky"]


@pytest.mark.parametrize("damage", [CONTENT[:-1], CONTENT[:-1] + b"?", b""], ids=["cut", "altered", "empty"])
def test_a_damaged_file_in_the_cache_is_fetched_anew(damage: bytes, offer, cache: Path) -> None:
    offer("good")
    (path,) = store.paths("toy")
    path.write_bytes(damage)
    assert not data.available("toy")
    with pytest.raises(data.DataMissing):
        store.paths("toy", fetch=False)
    assert store.paths("toy") == [path]
    assert path.read_bytes() == CONTENT


def test_the_readers_folder_comes_first_and_is_never_written(offer, server, tmp_path, monkeypatch) -> None:
    offer("good", "other")
    own = tmp_path / "own"
    (own / "toy").mkdir(parents=True)
    (own / "toy" / "good.bin").write_bytes(CONTENT)
    monkeypatch.setenv("MCBOOK_DATA", str(own))
    paths = store.paths("toy")
    assert paths[0] == own / "toy" / "good.bin"
    assert own not in paths[1].parents
    assert server.hits == ["/other"]
    assert left_behind(own) == ["good.bin"]


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (CONTENT[:-1], f"expected {len(CONTENT)} bytes, found {len(CONTENT) - 1}"),
        (CONTENT[::-1], f"expected SHA-256 {SHA256}, found {hashlib.sha256(CONTENT[::-1]).hexdigest()}"),
    ],
    ids=["cut", "altered"],
)
def test_a_damaged_file_of_the_readers_is_refused(
    damage, found, offer, server, tmp_path, monkeypatch
) -> None:
    offer("good")
    path = tmp_path / "own" / "toy" / "good.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(damage)
    monkeypatch.setenv("MCBOOK_DATA", str(tmp_path / "own"))
    for ask in (store.paths, data.available):
        with pytest.raises(data.DataCorrupt) as caught:
            ask("toy")
        assert str(path) in str(caught.value)
        assert found in str(caught.value)
    assert path.read_bytes() == damage, "the reader's file is the reader's"
    assert server.hits == []


# ---- it fails, clearly, and leaves nothing half done ----------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "reason", "tries"),
    [
        ("missing", "127.0.0.1 answered 404 Not Found", 1),
        ("lies", "127.0.0.1 sent something else: expected SHA-256", 2),
        ("short", "the connection to 127.0.0.1 broke off", 2),
        ("stalls", "127.0.0.1 said nothing for 0.2 s", 1),
    ],
)
def test_what_the_server_may_do_wrong(mode, reason, tries, offer, server, cache, monkeypatch) -> None:
    monkeypatch.setattr(store, "TIMEOUT_S", 0.2)
    offer(mode)
    with pytest.raises(data.DataMissing) as caught:
        store.paths("toy")
    assert reason in str(caught.value)
    assert "`python -m mcbook.data fetch toy`" in str(caught.value)
    assert server.hits == [f"/{mode}"] * tries
    assert left_behind(cache) == []


def test_no_network(offer, server: Server, cache: Path) -> None:
    offer("good")
    server.shutdown()
    server.server_close()
    with pytest.raises(data.DataMissing, match=r"no connection to 127\.0\.0\.1: ConnectionError"):
        store.paths("toy")
    assert left_behind(cache) == []


def test_a_failed_refetch_says_so_and_does_not_serve_the_damaged_file(offer, cache: Path) -> None:
    offer("missing")
    (cache / "toy").mkdir(parents=True)
    (cache / "toy" / "missing.bin").write_bytes(b"old")
    with pytest.raises(data.DataMissing, match="answered 404"):
        store.paths("toy")
    assert not data.available("toy")


def test_disk_full_halfway(offer, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pooch.downloaders

    def open_on_a_full_disk(*args, **kwargs):
        stream = open(*args, **kwargs, buffering=0)  # noqa: SIM115 (the caller closes it)
        room, write = [20_000], stream.write

        class Full:
            def write(self, chunk: bytes) -> int:
                room[0] -= len(chunk)
                if room[0] < 0:
                    raise OSError(errno.ENOSPC, "No space left on device")
                return write(chunk)

            flush, close = stream.flush, stream.close

        return Full()

    offer("good")
    monkeypatch.setattr(pooch.downloaders, "open", open_on_a_full_disk, raising=False)
    with pytest.raises(
        data.DataMissing, match=r"the disk of the cache .* is full; free some space, or set MCB"
    ):
        store.paths("toy")
    assert left_behind(cache) == []


def test_a_cache_that_is_not_a_folder(offer, cache: Path) -> None:
    offer("good")
    cache.write_text("a file is in the way")
    with pytest.raises(data.DataMissing, match=r"cannot be written: .*set MCBOOK_CACHE to another folder"):
        store.paths("toy")


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_read_only_cache(code: int, offer, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**kwargs: object) -> None:
        raise OSError(code, os.strerror(code))

    offer("good")
    monkeypatch.setattr(store.tempfile, "mkstemp", refuse)
    with pytest.raises(data.DataMissing, match=rf"cannot be written: {os.strerror(code)}; set MCBOOK_CACHE"):
        store.paths("toy")


@pytest.mark.parametrize("theirs", [CONTENT, CONTENT[::-1], None], ids=["right", "wrong", "absent"])
def test_a_rename_that_is_refused_passes_only_over_the_right_file(
    theirs, offer, cache: Path, monkeypatch
) -> None:
    """As on Windows, where a file that another process has open cannot be replaced."""

    def refuse(self: Path, target: Path) -> None:
        if theirs is not None:
            target.write_bytes(theirs)
        raise PermissionError(errno.EACCES, "in use")

    offer("good")
    monkeypatch.setattr(Path, "replace", refuse)
    if theirs == CONTENT:
        assert store.paths("toy") == [cache / "toy" / "good.bin"]
        assert left_behind(cache) == ["good.bin"]
    else:
        with pytest.raises(data.DataMissing, match="cannot be written: in use"):
            store.paths("toy")


def test_ctrl_c_halfway_leaves_nothing(offer, cache: Path) -> None:
    class Bar:
        total = 0

        def update(self, n: int) -> None:
            raise KeyboardInterrupt

        def close(self) -> None:
            pass

    offer("good")
    with pytest.raises(KeyboardInterrupt):
        store.paths("toy", progress=lambda name, size: Bar())
    assert left_behind(cache) == []


# ---- real processes -------------------------------------------------------------------------------------

FETCH = """
import sys
from mcbook.data import DATASETS, Dataset, RemoteFile, store
url, sha256, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
DATASETS["toy"] = Dataset("toy", "", "", "", "", (RemoteFile("slow.bin", sha256, size, url),))
print(store.paths("toy")[0].stat().st_size)
"""


def start(server: Server) -> subprocess.Popen[str]:
    root = str(Path(data.__file__).parents[2])
    url = f"http://127.0.0.1:{server.server_port}/slow"
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, url, SHA256, str(len(CONTENT))],
        env={**os.environ, "PYTHONPATH": root},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(condition, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_two_processes_fetch_the_same_file_at_once(server: Server, cache: Path) -> None:
    """Both download (neither waits for the other), both end with the right file, and no third thing stays."""
    processes = [start(server), start(server)]
    wait_until(lambda: len(server.hits) == 2)  # both are under way, and the server is slow
    assert not (cache / "toy" / "slow.bin").exists(), "a half file must not be in place"
    server.released.set()
    for process in processes:
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out.strip(), err) == (0, str(len(CONTENT)), "")
    assert left_behind(cache) == ["slow.bin"]
    assert (cache / "toy" / "slow.bin").read_bytes() == CONTENT


@pytest.mark.skipif(os.name != "posix", reason="sends SIGKILL")
def test_a_killed_download_leaves_no_half_file_in_place(server: Server, cache: Path) -> None:
    process = start(server)
    wait_until(lambda: any(path.stat().st_size for path in cache.rglob("*.part")))
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert not (cache / "toy" / "slow.bin").exists()
    server.released.set()
    process = start(server)
    assert process.communicate(timeout=30)[0].strip() == str(len(CONTENT))


# ---- the command line -----------------------------------------------------------------------------------


def test_the_list_fits_80_columns_and_names_what_matters(offer, capsys: pytest.CaptureFixture[str]) -> None:
    offer("good")
    assert cli.main([]) == 0
    brief = capsys.readouterr().out
    assert cli.main(["-v"]) == 0
    full = capsys.readouterr().out
    for text in (brief, full):
        table = text.split("MCBOOK_DATA  ")[0]
        assert max(map(len, table.splitlines())) <= 80
        assert all(line == line.rstrip() for line in table.splitlines())
        for row in data.DATASETS.values():
            assert row.name in table
            assert row.licence in table
    assert "712 kB" in brief
    assert "Panayotov" not in brief
    assert "doi:10.1109/ICASSP.2015.7178964" in full
    assert cli.main([]) == 0
    assert capsys.readouterr().out == brief, "the same list each time"


def test_the_list_says_where_each_set_is(offer, cache: Path, tmp_path: Path, monkeypatch) -> None:
    row = offer("good", "missing")
    assert cli.where(data.DATASETS["voices"]) == "in mcbook"
    assert cli.where(row) == "not here"
    with pytest.raises(data.DataMissing):
        store.paths("toy")
    assert cli.where(row) == "partly here"
    (cache / "toy" / "missing.bin").write_bytes(CONTENT)
    assert cli.where(row) == "cache"
    (cache / "toy").rename(tmp_path / "toy")
    monkeypatch.setenv("MCBOOK_DATA", str(tmp_path))
    assert cli.where(row) == "MCBOOK_DATA"
    (tmp_path / "toy" / "good.bin").write_bytes(b"")
    assert cli.where(row) == "DAMAGED in MCBOOK_DATA"
    assert "DAMAGED" in cli.listing()


def test_the_list_survives_a_broken_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    row = data.DATASETS["voices"]._replace(name="gone", packaged=("gone.npz",))
    monkeypatch.setitem(data.DATASETS, "gone", row)
    assert re.search(r"^gone +0 kB .* MISSING from mcbook$", cli.listing(), re.MULTILINE)


def test_fetch_by_name(offer, capsys: pytest.CaptureFixture[str]) -> None:
    offer("good")
    assert cli.main(["fetch", "toy", "voices"]) == 0
    assert capsys.readouterr().out == "toy: cache\nvoices: in mcbook\n"


def test_fetch_all_goes_on_after_a_failure_and_says_so_in_the_exit_status(offer, capsys, monkeypatch) -> None:
    bad, good = offer("missing")._replace(name="bad"), offer("good")
    monkeypatch.setitem(data.DATASETS, "bad", bad)
    monkeypatch.setattr(cli, "DATASETS", {"bad": bad, "toy": good})
    assert cli.main(["fetch", "--all"]) == 1
    done = capsys.readouterr()
    assert done.out == "toy: cache\n"
    assert "bad: the data set 'bad' is missing" in done.err


def test_progress_is_shown_on_a_terminal(offer, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    offer("good", "flaky")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert cli.main(["fetch", "toy"]) == 0
    bars = capsys.readouterr().err.replace("\r", "\n").splitlines()
    for name in ("good.bin", "flaky.bin"):
        assert any(line.startswith(f"{name}: 100%") for line in bars)
    assert max(map(len, bars)) <= 78


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["fetch", "voicse"], "did you mean 'voices'?"),
        (["fetch"], "expects names of sets, or --all"),
        (["fetch", "voices", "--all"], "expects names of sets, or --all"),
        (["fly"], "invalid choice: 'fly'"),
    ],
)
def test_a_wrong_command_line_exits_with_2(argv: list[str], message: str, capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(argv)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_the_module_runs(cache: Path) -> None:
    root = str(Path(data.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "mcbook.data", "--help"],
        env={**os.environ, "PYTHONPATH": root, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "fetch" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
