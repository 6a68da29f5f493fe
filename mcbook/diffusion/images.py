"""Images for the chapter: scikit-learn's digits, and a folder of the reader's in MNIST's format.

Scale      x from -1 (the lower edge of level 0) to 1 (the upper edge of the last); with L levels a cell is
           2/L wide. A grey level k with uniform noise u in [0, 1): x = -1 + (k + u) 2/L
Bits       a density p(x) of the dequantised pixels is worth -log2 p(x)/d - log2(2/L) bits per pixel, an upper
           bound of what a code of the whole grey levels needs (theis2016)
Split      of the 1797 digits in the order of NumPy's RandomState(0).permutation: the last 360 for the test,
           the 287 before them for validation, the other 1150 for training
References theis2016 (uniform dequantisation), lecun1998 (the idx format)
"""

import gzip
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mcbook.diffusion import _checks, levels
from mcbook.diffusion.labelled import Labelled, gaussians_by_class
from mcbook.diffusion.levels import Levels

TEST, VALIDATION = 360, 287


class Images(NamedTuple):
    """Whole grey levels (n, H, W), their classes (n,), and how many levels there can be."""

    pixels: np.ndarray
    labels: np.ndarray
    levels: int


class Split(NamedTuple):
    """Three parts that share no image."""

    train: Images
    validation: Images
    test: Images


def digits() -> Split:
    """scikit-learn's handwritten digits, 8 x 8 pixels of 17 grey levels (Alpaydin and Kaynak, CC BY 4.0)."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(X))
    images = Images(X.reshape(-1, 8, 8), y, 17)
    cuts = np.split(order, [len(X) - TEST - VALIDATION, len(X) - TEST])
    return Split(*(part(images, rows) for rows in cuts))


def part(images: Images, rows: Any) -> Images:
    """Some of the images."""
    return images._replace(pixels=images.pixels[rows], labels=images.labels[rows])


def together(first: Images, second: Images) -> Images:
    """Two sets as one, such as training and validation once all has been chosen."""
    pixels = np.concatenate([first.pixels, second.pixels])
    return Images(pixels, np.concatenate([first.labels, second.labels]), first.levels)


def cell_edges(L: Any) -> np.ndarray:
    """The edges (L + 1,) of the grey levels, from -1 to 1."""
    return np.linspace(-1.0, 1.0, _checks.whole(L, "L", least=2) + 1)


def dequantise(pixels: Any, L: Any, *, rng: Any) -> np.ndarray:
    """x = -1 + (k + uniform) 2/L for whole grey levels k of any shape.  Raises ValueError."""
    pixels, rng = _levels(pixels, L), _checks.generator(rng)
    return -1 + (pixels + rng.random(pixels.shape)) * (2 / L)


def centred(pixels: Any, L: Any) -> np.ndarray:
    """x = -1 + (k + ½) 2/L: the middle of each cell.  Raises ValueError."""
    return -1 + (_levels(pixels, L) + 0.5) * (2 / L)


def bits_per_dimension(log_density: Any, d: int, L: int) -> np.ndarray:
    """Bits per pixel for log densities (n,) in nats of dequantised images x of d pixels."""
    return -np.asarray(log_density) / (d * np.log(2)) - np.log2(2 / L)


def to_pixels(x: Any, L: Any) -> np.ndarray:
    """The whole grey levels in whose cells x lies; what lies outside goes to the nearest."""
    return np.clip(np.floor((np.asarray(x) + 1) * (L / 2)), 0, L - 1)


def starting_point(images: Images, *, shrink: Any = 0.1) -> tuple[Labelled, Levels, float]:
    """What `init_model` starts from: a Gaussian for each class, grey levels, and the spread of the data."""
    x = centred(images.pixels, images.levels).reshape(len(images.pixels), -1)
    width = 2 / images.levels
    base = gaussians_by_class(x, images.labels, shrink=shrink, extra=width**2 / 12)
    found = levels.grey_levels(images.pixels, cell_edges(images.levels))
    return base, found, float(np.sqrt(x.var() + width**2 / 12))


def _levels(pixels: Any, L: Any) -> np.ndarray:
    L, pixels = _checks.whole(L, "L", least=2), _checks.reals(pixels, "pixels")
    if pixels.size == 0 or (pixels != np.round(pixels)).any() or pixels.min() < 0 or pixels.max() >= L:
        raise ValueError(
            f"pixels must be whole grey levels 0 … {L - 1}; scaled ones are dequantised already."
        )
    return pixels


# --- a folder in MNIST's format -----------------------------------------------------------------------------

NAMES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def idx_images(folder: Any, which: str = "train") -> Images:
    """Images (n, H, W) and labels (n,) of a folder in MNIST's format, gzipped or not; 256 grey levels.

    Parameters
    ----------
    which : "train" or "test" (t10k).

    Raises
    ------
    FileNotFoundError : the folder lacks the files.
    ValueError : not that format, truncated, too long, more images than labels.
    """
    if which not in NAMES:
        raise ValueError(f"which must be 'train' or 'test', got {which!r}.")
    pixels, labels = (read_idx(_found(Path(folder), name)) for name in NAMES[which])
    if pixels.ndim != 3 or labels.ndim != 1 or len(pixels) != len(labels):
        raise ValueError(
            f"{Path(folder).name} should hold images (n, H, W) and labels (n,); got {pixels.shape} and "
            f"{labels.shape}."
        )
    return Images(pixels.astype(float), labels.astype(int), 256)


def read_idx(path: Any) -> np.ndarray:
    """An array of bytes in the idx format: 0, 0, 8, rank, the sizes as big-endian 32-bit numbers, the bytes.

    Raises ValueError for another magic number, another type, a truncated or too long file.
    """
    path = Path(path)
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, gzip.BadGzipFile, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path.name} is truncated or no gzip file ({error}); fetch it again.") from error
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] != 8 or not 1 <= raw[3] <= 3:
        raise ValueError(
            f"{path.name} is not in the idx format for bytes: expected the magic number 0, 0, 8 and a rank "
            f"of 1 … 3, found {list(raw[:4])}."
        )
    start = 4 + 4 * raw[3]
    shape = struct.unpack(f">{raw[3]}I", raw[4:start]) if len(raw) >= start else ()
    if len(raw) != start + int(np.prod(shape, dtype=np.int64)) or not shape:
        raise ValueError(
            f"{path.name} promises {shape} bytes and holds {max(len(raw) - start, 0)}: it is truncated or "
            "damaged; fetch it again."
        )
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def _found(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz", folder / name.replace("-idx", ".idx")):
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"{folder} lacks {name} (or {name}.gz): a folder in MNIST's format holds {', '.join(NAMES['train'])} "
        f"and {', '.join(NAMES['test'])}."
    )
