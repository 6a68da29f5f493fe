"""Fetching data: verified, cached, safe under concurrency, and clear about every way it can go wrong.

No network: data_server.py serves.
"""

import errno
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from data_server import CONTENT, SHA256, Server, left_behind

from mcbook import data
from mcbook.data import store

pytest_plugins = ["data_server"]


# ---- it works -------------------------------------------------------------------------------------------


def test_a_file_is_fetched_once_then_served_from_the_cache(
    offer, toy_server: Server, cache_folder: Path
) -> None:
    offer("good")
    assert not data.available("toy")
    (path,) = store.paths("toy")
    assert path == cache_folder / "toy" / "good.bin"
    assert path.read_bytes() == CONTENT
    assert data.available("toy")
    assert store.paths("toy") == [path]
    assert store.paths("toy", fetch=False) == [path]
    assert toy_server.hits == ["/good"]
    assert left_behind(cache_folder) == ["good.bin"]


def test_a_connection_that_breaks_off_is_tried_again(offer, toy_server: Server, cache_folder: Path) -> None:
    offer("flaky")
    (path,) = store.paths("toy")
    assert path.read_bytes() == CONTENT
    assert toy_server.hits == ["/flaky", "/flaky"]


@pytest.mark.parametrize("damage", [CONTENT[:-1], CONTENT[:-1] + b"?", b""], ids=["cut", "altered", "empty"])
def test_a_damaged_file_in_the_cache_is_fetched_anew(damage: bytes, offer, cache_folder: Path) -> None:
    offer("good")
    (path,) = store.paths("toy")
    path.write_bytes(damage)
    assert not data.available("toy")
    with pytest.raises(data.DataMissing):
        store.paths("toy", fetch=False)
    assert store.paths("toy") == [path]
    assert path.read_bytes() == CONTENT


def test_the_readers_folder_comes_first_and_is_never_written(
    offer, toy_server, tmp_path, monkeypatch
) -> None:
    offer("good", "other")
    own = tmp_path / "own"
    (own / "toy").mkdir(parents=True)
    (own / "toy" / "good.bin").write_bytes(CONTENT)
    monkeypatch.setenv("MCBOOK_DATA", str(own))
    paths = store.paths("toy")
    assert paths[0] == own / "toy" / "good.bin"
    assert own not in paths[1].parents
    assert toy_server.hits == ["/other"]
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
    damage, found, offer, toy_server, tmp_path, monkeypatch
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
    assert toy_server.hits == []


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
def test_what_the_server_may_do_wrong(
    mode, reason, tries, offer, toy_server, cache_folder, monkeypatch
) -> None:
    monkeypatch.setattr(store, "TIMEOUT_S", 0.2)
    offer(mode)
    with pytest.raises(data.DataMissing) as caught:
        store.paths("toy")
    assert reason in str(caught.value)
    assert "`python -m mcbook.data fetch toy`" in str(caught.value)
    assert toy_server.hits == [f"/{mode}"] * tries
    assert left_behind(cache_folder) == []


def test_no_network(offer, toy_server: Server, cache_folder: Path) -> None:
    offer("good")
    toy_server.shutdown()
    toy_server.server_close()
    with pytest.raises(data.DataMissing, match=r"no connection to 127\.0\.0\.1: ConnectionError"):
        store.paths("toy")
    assert left_behind(cache_folder) == []


def test_a_failed_refetch_says_so_and_does_not_serve_the_damaged_file(offer, cache_folder: Path) -> None:
    offer("missing")
    (cache_folder / "toy").mkdir(parents=True)
    (cache_folder / "toy" / "missing.bin").write_bytes(b"old")
    with pytest.raises(data.DataMissing, match="answered 404"):
        store.paths("toy")
    assert not data.available("toy")


def test_disk_full_halfway(offer, cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert left_behind(cache_folder) == []


def test_a_cache_that_is_not_a_folder(offer, cache_folder: Path) -> None:
    offer("good")
    cache_folder.write_text("a file is in the way")
    with pytest.raises(data.DataMissing, match=r"cannot be written: .*set MCBOOK_CACHE to another folder"):
        store.paths("toy")


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_read_only_cache(code: int, offer, cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**kwargs: object) -> None:
        raise OSError(code, os.strerror(code))

    offer("good")
    monkeypatch.setattr(store.tempfile, "mkstemp", refuse)
    with pytest.raises(data.DataMissing, match=rf"cannot be written: {os.strerror(code)}; set MCBOOK_CACHE"):
        store.paths("toy")


@pytest.mark.parametrize("theirs", [CONTENT, CONTENT[::-1], None], ids=["right", "wrong", "absent"])
def test_a_rename_that_is_refused_passes_only_over_the_right_file(
    theirs, offer, cache_folder: Path, monkeypatch
) -> None:
    """As on Windows, where a file that another process has open cannot be replaced."""

    def refuse(self: Path, target: Path) -> None:
        if theirs is not None:
            target.write_bytes(theirs)
        raise PermissionError(errno.EACCES, "in use")

    offer("good")
    monkeypatch.setattr(Path, "replace", refuse)
    if theirs == CONTENT:
        assert store.paths("toy") == [cache_folder / "toy" / "good.bin"]
        assert left_behind(cache_folder) == ["good.bin"]
    else:
        with pytest.raises(data.DataMissing, match="cannot be written: in use"):
            store.paths("toy")


def test_ctrl_c_halfway_leaves_nothing(offer, cache_folder: Path) -> None:
    class Bar:
        total = 0

        def update(self, n: int) -> None:
            raise KeyboardInterrupt

        def close(self) -> None:
            pass

    offer("good")
    with pytest.raises(KeyboardInterrupt):
        store.paths("toy", progress=lambda name, size: Bar())
    assert left_behind(cache_folder) == []


# ---- real processes -------------------------------------------------------------------------------------

FETCH = """
import sys
from mcbook.data import DATASETS, Dataset, RemoteFile, store
url, sha256, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
DATASETS["toy"] = Dataset("toy", "", "", "", "", (RemoteFile("slow.bin", sha256, size, url),))
print(store.paths("toy")[0].stat().st_size)
"""


def start(toy_server: Server) -> subprocess.Popen[str]:
    root = str(Path(data.__file__).parents[2])
    url = f"http://127.0.0.1:{toy_server.server_port}/slow"
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


def test_two_processes_fetch_the_same_file_at_once(toy_server: Server, cache_folder: Path) -> None:
    """Both download (neither waits for the other), both end with the right file, and no third thing stays."""
    processes = [start(toy_server), start(toy_server)]
    wait_until(lambda: len(toy_server.hits) == 2)  # both are under way, and the server is slow
    assert not (cache_folder / "toy" / "slow.bin").exists(), "a half file must not be in place"
    toy_server.released.set()
    for process in processes:
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out.strip(), err) == (0, str(len(CONTENT)), "")
    assert left_behind(cache_folder) == ["slow.bin"]
    assert (cache_folder / "toy" / "slow.bin").read_bytes() == CONTENT


@pytest.mark.skipif(os.name != "posix", reason="sends SIGKILL")
def test_a_killed_download_leaves_no_half_file_in_place(toy_server: Server, cache_folder: Path) -> None:
    process = start(toy_server)
    wait_until(lambda: any(path.stat().st_size for path in cache_folder.rglob("*.part")))
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert not (cache_folder / "toy" / "slow.bin").exists()
    toy_server.released.set()
    process = start(toy_server)
    assert process.communicate(timeout=30)[0].strip() == str(len(CONTENT))
