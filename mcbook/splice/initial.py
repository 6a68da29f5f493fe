"""Where training starts: rotations for what goes round in time, N(0, 1/fan-in) for the rest.

A rotation W_h keeps the length of a tangent and of a cotangent: then only the slopes of tanh shrink a
gradient. Everything comes as float64 NumPy arrays.
"""

import numpy as np

from mcbook.splice.cells import GRUCell, RNNCell
from mcbook.splice.networks import OneWay, TwoWay


def init_rnn_cell(rng: np.random.Generator, *, hidden: int = 64, letters: int = 4, radius: float = 1.0):
    """W_h = `radius` times a random rotation, so of that spectral radius; W_x ~ N(0, 1/letters), b = 0."""
    _sizes(hidden=hidden, letters=letters)
    return RNNCell(
        rng.normal(size=(hidden, letters)) / np.sqrt(letters),
        radius * _rotation(rng, hidden),
        np.zeros(hidden),
    )


def init_gru_cell(rng: np.random.Generator, *, hidden: int = 64, letters: int = 4, keep: float = 1.0):
    """W_h three random rotations, W_x ~ N(0, 1/letters), update gates biased by `keep`: remember first."""
    _sizes(hidden=hidden, letters=letters)
    b = np.zeros(3 * hidden)
    b[hidden : 2 * hidden] = keep
    W_h = np.concatenate([_rotation(rng, hidden) for _ in range(3)])
    return GRUCell(rng.normal(size=(3 * hidden, letters)) / np.sqrt(letters), W_h, b)


def init_rnn(rng: np.random.Generator, *, hidden: int = 64, classes: int = 3, letters: int = 4) -> OneWay:
    """A tanh network read at the end; float64 NumPy arrays."""
    return OneWay(init_rnn_cell(rng, hidden=hidden, letters=letters), *_init_readout(rng, hidden, classes))


def init_gru(rng: np.random.Generator, *, hidden: int = 64, classes: int = 3, letters: int = 4) -> OneWay:
    """A gated network read at the end; float64 NumPy arrays."""
    return OneWay(init_gru_cell(rng, hidden=hidden, letters=letters), *_init_readout(rng, hidden, classes))


def init_two_way(
    rng: np.random.Generator, *, hidden: int = 64, classes: int = 3, letters: int = 4, gated: bool = True
) -> TwoWay:
    """Two cells of `hidden` units each, gated or tanh, read at the junction; float64 NumPy arrays."""
    init = init_gru_cell if gated else init_rnn_cell
    one, other = (init(rng, hidden=hidden, letters=letters) for _ in range(2))
    return TwoWay(one, other, *_init_readout(rng, 2 * hidden, classes))


def _init_readout(rng: np.random.Generator, h: int, k: int):
    _sizes(classes=k)
    return rng.normal(size=(k, h)) / np.sqrt(h), np.zeros(k)


def _rotation(rng: np.random.Generator, h: int) -> np.ndarray:
    return np.linalg.qr(rng.normal(size=(h, h)))[0]


def _sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}.")
