"""Checkpoints: a training that is killed loses nothing that was saved, and a wrong file is refused by name.

Private; diffusion and schedules share it.

Format     one .npz: the leaves of the state in order, and a header (JSON) with their names, shapes, types,
           the settings of the run and a SHA-256 over all of it; never a pickle
Writing    to a temporary file beside the checkpoint, flushed to the disk, then renamed onto it: whoever
           reads finds the old checkpoint or the new one, whole
Reading    the digest first (truncated or damaged?), then names, shapes and types (another architecture?),
           then the settings (another run?)
"""

import contextlib
import hashlib
import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import jax
import numpy as np

FORMAT = 1


def save(path: Any, state: Any, settings: dict[str, Any]) -> None:
    """Write a tree of arrays and the settings (what JSON can hold) in one step.

    Raises OSError where the folder cannot be written; then the checkpoint that was there is untouched.
    """
    path = Path(path)
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
    header = {"format": FORMAT, "leaves": _described(state), "settings": settings}
    text = json.dumps(header, sort_keys=True).encode()
    arrays = {f"leaf_{i}": leaf for i, leaf in enumerate(leaves)}
    arrays |= {"header": np.frombuffer(text, np.uint8), "sha256": _digest(text, leaves)}
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(name, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def load(path: Any, like: Any, settings: dict[str, Any] | None = None) -> Any:
    """The state saved at path, in the shape of the tree `like`.

    Raises
    ------
    FileNotFoundError : no such file.
    ValueError : no checkpoint, truncated or damaged; of another architecture; of a run with other settings.
    """
    path = Path(path)
    header, leaves = read(path)
    wanted = _described(like)
    if header["leaves"] != wanted:
        raise ValueError(
            f"{path.name} is a checkpoint of another architecture: {_difference(wanted, header['leaves'])}. "
            "Build the model with the sizes it was trained with, or give the new run another file."
        )
    if settings is not None and header["settings"] != json.loads(json.dumps(settings)):
        found = header["settings"]
        names = [k for k in sorted({*settings, *found}) if _plain(settings.get(k)) != found.get(k)]
        raise ValueError(
            f"{path.name} belongs to a run with other settings; they differ in {', '.join(names)}: "
            f"expected {[settings.get(k) for k in names]}, found {[found.get(k) for k in names]}. Give the "
            "new run another file, or delete this one."
        )
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def read(path: Any) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Header (settings in it) and leaves of a whole checkpoint.  Raises ValueError for anything else."""
    path = Path(path)
    damaged = f"{path.name} is no whole checkpoint: it is truncated, damaged or something else"
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            text = arrays["header"].tobytes()
            header = json.loads(text)
            leaves = [arrays[f"leaf_{i}"] for i in range(len(header["leaves"]))]
            whole = np.array_equal(arrays["sha256"], _digest(text, leaves))
    except FileNotFoundError:
        raise
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{damaged} ({type(error).__name__}); delete it and train again.") from error
    if not whole:
        raise ValueError(f"{damaged} (its SHA-256 does not fit); delete it and train again.")
    if header["format"] != FORMAT:
        raise ValueError(f"{path.name} has format {header['format']}, this mcbook reads format {FORMAT}.")
    return header, leaves


def _described(tree: Any) -> list[list[Any]]:
    """Name, shape and type of every leaf."""
    return [
        [jax.tree_util.keystr(name), list(np.shape(leaf)), str(np.asarray(leaf).dtype)]
        for name, leaf in jax.tree_util.tree_leaves_with_path(tree)
    ]


def _difference(wanted: list[Any], found: list[Any]) -> str:
    """The first leaf in which two descriptions differ, in words."""
    for want, have in zip(wanted, found, strict=False):
        if want != have:
            return (
                f"expected {want[0]} {tuple(want[1])} {want[2]}, found {have[0]} {tuple(have[1])} {have[2]}"
            )
    return f"expected {len(wanted)} arrays, found {len(found)}"


def _digest(text: bytes, leaves: list[np.ndarray]) -> np.ndarray:
    """SHA-256 over the header and all leaves, as 32 bytes."""
    sha = hashlib.sha256(text)
    for leaf in leaves:
        sha.update(np.ascontiguousarray(leaf).tobytes())
    return np.frombuffer(sha.digest(), np.uint8)
