"""The trainings that the chapter differentiates: a small network on digits, wine or tumours.

Problem    a perceptron with one hidden layer, tanh, softmax and cross-entropy; its weights one flat vector
Data       scikit-learn's: 1797 digits of 8 × 8, 178 wines, 569 tumours; three parts drawn once by a fixed
           seed: to train on, to judge a schedule by (validation), and to report (test)
Symbols    h hidden units; p = (d + 1) h + (h + 1) k weights; s seeds
"""

from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from sklearn import datasets

from mcbook.schedules import _checks
from mcbook.schedules.run import Array, Run

SETS = {"digits": datasets.load_digits, "wine": datasets.load_wine, "cancer": datasets.load_breast_cancer}


class Split(NamedTuple):
    """Three parts, each (X (n, d), y (n,)), a third of the rows."""

    train: tuple[Array, Array]
    validation: tuple[Array, Array]
    test: tuple[Array, Array]


def split(name: str = "digits", *, dtype: Any = "float32") -> Split:
    """A data set in three parts, always the same; digits scaled to [0, 1], others standardised by `train`."""
    if name not in SETS:
        raise ValueError(f"the data sets are {sorted(SETS)}, got {name!r}.")
    X, y = SETS[name](return_X_y=True)
    order = np.random.default_rng(9).permutation(len(X))
    parts = np.split(order, [len(X) // 3, 2 * len(X) // 3])
    first = X[parts[0]]
    X = X / 16 if name == "digits" else (X - first.mean(0)) / first.std(0)
    return Split(*((X[rows].astype(dtype), y[rows].astype(np.int32)) for rows in parts))


@lru_cache  # the same function for the same sizes: compiled once
def network_loss(h: int, k: int) -> Any:
    """Mean cross-entropy of a network with h hidden units and k classes: (w, X (n, d), y (n,)) -> number."""

    def loss(w: Float[Array, " p"], X: Float[Array, "n d"], y: Int[Array, " n"]) -> Float[Array, ""]:
        z, own = logits(w, X, h, k), y[:, None] == jnp.arange(k)[None]  # no gather: its vjp is slow
        return (jax.nn.logsumexp(z, axis=1) - jnp.where(own, z, 0).sum(axis=1)).mean()

    return loss


def logits(w: Float[Array, " p"], X: Float[Array, "n d"], h: int, k: int) -> Float[Array, "n k"]:
    """tanh(X W_1 + b_1) W_2 + b_2; w holds W_1, b_1, W_2, b_2, row by row."""
    W_1, b_1, W_2, b_2 = jnp.split(w, np.cumsum([X.shape[1] * h, h, h * k]))
    hidden = jnp.tanh(X @ W_1.reshape(-1, h) + b_1[None])
    return hidden @ W_2.reshape(h, k) + b_2[None]


def first_weights(d: int, h: int, k: int, *, rng: np.random.Generator) -> Float[np.ndarray, " p"]:
    """Normal of variance 1/fan-in, biases zero."""
    W_1, W_2 = rng.normal(size=(d, h)) / np.sqrt(d), rng.normal(size=(h, k)) / np.sqrt(h)
    return np.concatenate([W_1.ravel(), np.zeros(h), W_2.ravel(), np.zeros(k)])


def epochs(n: int, T: int, batch: int, *, rng: np.random.Generator) -> Int[np.ndarray, "T b"]:
    """Minibatches: the n rows shuffled, cut, and shuffled anew; what is left over of an epoch is not read."""
    if not 1 <= batch <= n:
        raise ValueError(f"a batch must have between 1 and n = {n} rows, got {batch}.")
    rounds = -(-T // (n // batch))
    rows = np.concatenate([rng.permutation(n)[: n // batch * batch] for _ in range(rounds)])
    return rows.reshape(-1, batch)[:T].astype(np.int32)


def network_run(
    T: int,
    seed: int | list[int],
    *,
    name: str = "digits",
    width: int = 50,
    batch: int = 100,
    dtype: Any = "float32",
) -> Run:
    """T steps on a data set; initial weights and minibatch order are drawn from `seed`."""
    _checks.whole(T, "T")
    parts = split(name, dtype=dtype)
    (X, y), k = parts.train, int(parts.train[1].max()) + 1
    rng = np.random.default_rng(seed)
    w = first_weights(X.shape[1], _checks.whole(width, "width"), k, rng=rng).astype(dtype)
    return Run(network_loss(width, k), w, (X, y), epochs(len(X), T, batch, rng=rng), parts.validation)


def accuracy(w: Float[Array, " p"], X: Float[Array, "n d"], y: Int[Array, " n"], *, width: int) -> float:
    """Share of rows whose largest logit is that of their class."""
    k = (len(w) - width * (X.shape[1] + 1)) // (width + 1)
    return float((jnp.argmax(logits(jnp.asarray(w), jnp.asarray(X), width, k), axis=1) == y).mean())
