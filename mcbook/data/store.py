"""Where a set's files are: the reader's own folder, the cache, or (fetched now) the network.

The order is always MCBOOK_DATA (a folder of the reader's, which is never written to), then the cache, then
the network. Every file is checked against the size and SHA-256 of the catalogue each time it is asked for:
a damaged file in the cache is fetched anew, a damaged file in MCBOOK_DATA is refused by name. A download goes
to a temporary file beside its destination and is renamed only when it is whole and right, so that readers
and concurrent fetchers see the right file or none.
"""

import contextlib
import errno
import hashlib
import importlib
import os
import tempfile
from collections.abc import Callable
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from mcbook.data.catalogue import Dataset, RemoteFile, dataset

TIMEOUT_S = 20.0  # of silence from the server, not of the whole download


class DataMissing(OSError):
    """Data that was asked for is not here (and could not be fetched); the message says how to get it."""


class DataCorrupt(OSError):
    """A file in MCBOOK_DATA is not the file that the catalogue describes."""


def need(module: str, purpose: str) -> Any:
    """Import an optional dependency, or say in one sentence which command installs it.

    Raises
    ------
    ImportError : the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f'{purpose} needs {module}, which is not installed: pip install "mcbook[chapters]"', name=module
        ) from error


def embedded(name: str) -> Traversable:
    """A file that ships inside mcbook/data (`open("rb")` it).

    Raises
    ------
    DataMissing : the installation lacks it.
    """
    path = resources.files("mcbook.data").joinpath(name)
    if not path.is_file():
        raise DataMissing(f"mcbook/data/{name} should ship with mcbook but is not there: reinstall mcbook.")
    return path


def load_npz(name: str) -> dict[str, np.ndarray]:
    """The arrays of a packaged .npz file, by name; never unpickles.

    Raises
    ------
    DataMissing : the installation lacks it.
    """
    with embedded(name).open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        return dict(arrays)


def user_dir() -> Path | None:
    """The folder named by MCBOOK_DATA, or None."""
    named = os.environ.get("MCBOOK_DATA", "").strip()
    return Path(named).expanduser() if named else None


def cache_dir() -> Path | None:
    """The cache: MCBOOK_CACHE if set, else the system's usual place (None where pooch is not installed)."""
    named = os.environ.get("MCBOOK_CACHE", "").strip()
    if named:
        return Path(named).expanduser()
    try:
        return Path(need("pooch", "the data cache").os_cache("mcbook"))
    except ImportError:
        return None


def mismatch(path: Path, file: RemoteFile) -> str | None:
    """How the file at `path` differs from its row (size, then SHA-256), or None if it is the same."""
    size = path.stat().st_size
    if size != file.size_bytes:
        return f"expected {file.size_bytes} bytes, found {size}"
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    return None if found == file.sha256 else f"expected SHA-256 {file.sha256}, found {found}"


def locate(row: Dataset, file: RemoteFile) -> Path | None:
    """The verified file in MCBOOK_DATA or the cache, or None; uses no network.

    Raises
    ------
    DataCorrupt : the file in MCBOOK_DATA is not the one described.
    """
    own = user_dir()
    if own is not None and (path := own / row.name / file.name).is_file():
        if wrong := mismatch(path, file):
            raise DataCorrupt(
                f"{path} (in MCBOOK_DATA) is damaged or another version: {wrong}; "
                f"delete it and run `python -m mcbook.data fetch {row.name}`, or unset MCBOOK_DATA."
            )
        return path
    cache = cache_dir()
    if cache is not None and (path := cache / row.name / file.name).is_file() and not mismatch(path, file):
        return path
    return None


def available(name: str) -> bool:
    """Whether the loader of that set would succeed now without the network.

    Raises
    ------
    ValueError : no such set.
    DataCorrupt : a file in MCBOOK_DATA is not the one described (never hidden by falling back).
    """
    row = dataset(name)
    if row.packaged:
        return all(resources.files("mcbook.data").joinpath(path).is_file() for path in row.packaged)
    if here(row, row.repacked):
        return True
    return here(row, row.files) is not None


def here(row: Dataset, files: tuple[RemoteFile, ...]) -> list[Path] | None:
    """Where all of these files are, or None if one is not here (or none was asked for); uses no network.

    Raises
    ------
    DataCorrupt : a file in MCBOOK_DATA is not the one described.
    """
    found = [locate(row, file) for file in files]  # all of them, so that no damage goes unsaid
    present = [path for path in found if path is not None]
    return present if files and len(present) == len(found) else None


def paths(name: str, *, fetch: bool = True, progress: Callable[[str, int], Any] | None = None) -> list[Path]:
    """The verified files of a fetched set, in the catalogue's order, downloading what is not here.

    Where another form of them is here (the row's `repacked`), its files are returned.

    Parameters
    ----------
    fetch : False never touches the network.
    progress : given a file's name and size in bytes, makes a progress bar (tqdm's interface).

    Raises
    ------
    ValueError : no such set, or one that ships with mcbook and has no files to fetch.
    DataMissing : not here, and not fetched (no network, an HTTP error, a full disk, a read-only cache).
    DataCorrupt : a file in MCBOOK_DATA is not the one described.
    """
    row = dataset(name)
    if row.packaged:
        raise ValueError(f"{name!r} ships with mcbook and has nothing to fetch: call mcbook.data.{name}().")
    if (found := here(row, row.repacked)) is not None:
        return found
    found = []
    for file in row.files:
        path = locate(row, file)
        if path is None:
            if not fetch:
                raise DataMissing(_how_to_get(row, f"{file.name} is not here"))
            path = download(row, file, progress=progress)
        found.append(path)
    return found


def download(row: Dataset, file: RemoteFile, *, progress: Callable[[str, int], Any] | None = None) -> Path:
    """Fetch one file into the cache, verify it, and put it in place in one step; tried twice.

    Raises
    ------
    DataMissing : it could not be fetched or kept; the message says why.
    """
    pooch = need("pooch", "fetching data")
    requests = need("requests", "fetching data")
    cache = cache_dir()
    assert cache is not None  # pooch is here
    target, host = cache / row.name / file.name, urlsplit(file.url).hostname
    reason = ""
    for _attempt in range(2):
        bar = None if progress is None else progress(file.name, file.size_bytes)
        downloader = pooch.HTTPDownloader(progressbar=False if bar is None else bar, timeout=TIMEOUT_S)
        try:
            wrong = _download_once(downloader, file, target)
            if wrong is None:
                return target
            reason = f"{host} sent something else: {wrong}"
        except requests.exceptions.HTTPError as error:
            reason = f"{host} answered {error.response.status_code} {error.response.reason}"
            break
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError):
            reason = f"the connection to {host} broke off"
        except requests.exceptions.Timeout:
            reason = f"{host} said nothing for {TIMEOUT_S:g} s"
            break
        except requests.exceptions.RequestException as error:
            reason = f"no connection to {host}: {type(error).__name__}"
            break
        except OSError as error:
            reason = _disk_trouble(error, cache)
            break
        finally:
            if bar is not None:
                bar.close()
    raise DataMissing(_how_to_get(row, f"{file.name} could not be fetched ({reason})"))


def _download_once(downloader: Any, file: RemoteFile, target: Path) -> str | None:
    """Download beside `target`; rename onto it if right. Returns what was wrong; leaves nothing behind."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{file.name}.", suffix=".part")
    os.close(handle)
    part = Path(name)
    try:
        downloader(file.url, name, None)
        wrong = mismatch(part, file)
        if wrong is None:
            part.chmod(0o644)
            _put_in_place(part, file, target)
        return wrong
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _put_in_place(part: Path, file: RemoteFile, target: Path) -> None:
    """Rename in one step. Windows refuses while another process reads `target`: if theirs is right, good."""
    try:
        part.replace(target)
    except PermissionError:
        if not target.is_file() or mismatch(target, file):
            raise


def _disk_trouble(error: OSError, cache: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"the disk of the cache {cache} is full; free some space, or set MCBOOK_CACHE to another folder"
        )
    return (
        f"the cache {cache} cannot be written: {error.strerror or error}; set MCBOOK_CACHE to another folder"
    )


def _how_to_get(row: Dataset, what: str) -> str:
    own = user_dir()
    looked = ""
    if own is not None:
        looked = f" (it names {own}, which {'lacks it' if own.is_dir() else 'is not a folder'})"
    return (
        f"the data set {row.name!r} is missing: {what}; run `python -m mcbook.data fetch {row.name}` "
        f"with a network, or set MCBOOK_DATA to a folder that holds {row.name}/{row.files[0].name}{looked}."
    )
