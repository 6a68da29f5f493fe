"""Classifiers of sequences: a cell or two, and a softmax; the loss and its gradient by hand.

Problem    X (n, T, d) letters, rows are samples; y (n,) in 0..k-1; which class has each sequence?
OneWay     logits = h_T Vᵀ + c: one cell reads from left to right, the last state decides
TwoWay     logits = [f_i, g_j] Vᵀ + c, f_i the state of a cell that has read letters 0..i-1 from the left, g_j that
           of a cell that has read T-1..j from the right. At a junction j the letters left of it are 0..j-1, so with
           i = j each letter is read once; with `reach` s both read s letters beyond: f_{j+s}, g_{j-s}.
           A window has its junction in the middle, j = T // 2; a long sequence has one in front of every letter.
Objective  L = Σ_i w_{y_i} ℓ_i / Σ_i w_{y_i},   ℓ_i = log Σ_c exp(logit_ic) - logit_{i y_i}
Gradient   dℓ_i = ⟨p_i - e_{y_i}, d logits_i⟩,  p = softmax;   V̄ = logits_barᵀ h,  c̄ = Σ_n logits_bar,
           h̄_T = logits_bar V, and from there back through time: `cells`
Page       book/learning/splice
Symbols    h hidden units, k classes, w class weights, p probabilities, e_y the y-th unit row
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mcbook.splice import _checks, cells
from mcbook.splice.cells import Cell, CellVJP, GRUCell, RNNCell

Array = Any  # NumPy or JAX


class OneWay(NamedTuple):
    """A cell read at the end: logits = h_T Vᵀ + c."""

    cell: Cell
    V: Float[Array, "k h"]
    c: Float[Array, " k"]


class TwoWay(NamedTuple):
    """Two cells, one from each side, read at a junction: logits = [f, g] Vᵀ + c."""

    forward: Cell
    backward: Cell
    V: Float[Array, "k 2*h"]
    c: Float[Array, " k"]


Network = OneWay | TwoWay


class NetworkVJP(NamedTuple):
    """What flows back out of a network: to its parameters (the same NamedTuple) and to X (n, T, d)."""

    params: Any
    X: Float[Array, "n T d"]


# Initial parameters


def init_rnn_cell(rng: np.random.Generator, *, hidden: int = 64, letters: int = 4, radius: float = 1.0):
    """W_h = radius times a random rotation (spectral radius `radius`), W_x ~ N(0, 1/letters), b = 0; float64."""
    _sizes(hidden=hidden, letters=letters)
    return RNNCell(
        rng.normal(size=(hidden, letters)) / np.sqrt(letters),
        radius * _rotation(rng, hidden),
        np.zeros(hidden),
    )


def init_gru_cell(rng: np.random.Generator, *, hidden: int = 64, letters: int = 4, keep: float = 1.0):
    """Three random rotations for W_h, W_x ~ N(0, 1/letters); update gates biased by `keep`: remember first."""
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


# Softmax cross-entropy


def cross_entropy(logits: Float[Array, "n k"], y, class_weight=None):
    """Σ w_y ℓ / Σ w_y,  ℓ = logsumexp(logits) - logits_y, in nats."""
    w = sample_weights(y, class_weight, logits.dtype)
    nll = jax.nn.logsumexp(logits, axis=1) - jnp.take_along_axis(logits, y[:, None], axis=1)[:, 0]
    return w @ nll


def grad_cross_entropy_logits(logits: Float[Array, "n k"], y, class_weight=None):
    """(p - e_y) w_y / Σ w_y, (n, k)."""
    w = sample_weights(y, class_weight, logits.dtype)
    e_y = jax.nn.one_hot(y, logits.shape[1], dtype=logits.dtype)
    return (jax.nn.softmax(logits, axis=1) - e_y) * w[:, None]


def sample_weights(y, class_weight, dtype):
    """w_{y_i} / Σ_i w_{y_i}, (n,); 1/n each without class weights."""
    w = jnp.ones(y.shape, dtype) if class_weight is None else jnp.asarray(class_weight, dtype)[y]
    return w / w.sum()


# The public functions: NumPy or JAX arrays, checked, then compiled


def states(cell: Cell, X: Any, h_0: Any = None):
    """All states of a cell that reads X (n, T, d): (n, T, h).  Raises ValueError."""
    cell, X, h_0 = _prepare_cell(cell, X, h_0)
    return _states(cell, X, h_0)


def vjp_states(cell: Cell, X: Any, H_bar: Any, h_0: Any = None) -> CellVJP:
    """Backpropagation through time: from H_bar (n, T, h), wanted of every state, to cell, X and h_0.

    Raises ValueError.
    """
    cell, X, h_0 = _prepare_cell(cell, X, h_0)
    _checks.shaped("H_bar", H_bar, (*X.shape[:2], cell.W_h.shape[1]), "(n, T, h), that of the states")
    return _vjp_states(cell, X, h_0, jnp.asarray(H_bar, X.dtype))


def logits(params: Network, X: Any, *, reach: int = 0):
    """(n, k): read at the end by a OneWay, at the middle junction T // 2 by a TwoWay.  Raises ValueError."""
    params, X = _prepare(params, X, reach)
    return _logits(params, X, reach)


def vjp_logits(params: Network, X: Any, logits_bar: Any, *, reach: int = 0) -> NetworkVJP:
    """From logits_bar (n, k) to the parameters and to X.  With a row e_c for each sequence, the gradient of its
    class c with respect to its letters.  Raises ValueError.
    """
    params, X = _prepare(params, X, reach)
    _checks.shaped("logits_bar", logits_bar, (X.shape[0], params.V.shape[0]), "(n, k), that of the logits")
    return _vjp_logits(params, X, jnp.asarray(logits_bar, X.dtype), reach)


def loss(params: Network, X: Any, y: Any, *, class_weight: Any = None, reach: int = 0):
    """Softmax cross-entropy, weighted mean over the sequences, in nats.  Raises ValueError."""
    params, X, y = _prepare_loss(params, X, y, class_weight, reach)
    return _loss(params, X, y, class_weight, reach)


def grad_loss(params: Network, X: Any, y: Any, *, class_weight: Any = None, reach: int = 0):
    """The gradient of `loss`: a NamedTuple of the kind and the shapes of `params`.  Raises ValueError."""
    params, X, y = _prepare_loss(params, X, y, class_weight, reach)
    return _loss_and_grad(params, X, y, class_weight, reach)[1]


def loss_and_grad(params: Network, X: Any, y: Any, *, class_weight: Any = None, reach: int = 0):
    """`loss` and `grad_loss` of one forward pass.  Raises ValueError."""
    params, X, y = _prepare_loss(params, X, y, class_weight, reach)
    return _loss_and_grad(params, X, y, class_weight, reach)


def junction_logits(params: TwoWay, X: Any, *, reach: int = 0):
    """(n, T + 1, k): logits at every junction j = 0..T of X (n, T, d), j in front of letter j.

    Near the ends a reader has fewer letters than `reach` wants: then it takes what there is.  Raises ValueError.
    """
    params, X = _prepare(params, X, reach)
    if not isinstance(params, TwoWay):
        raise ValueError("junction_logits needs a TwoWay: a OneWay has seen one side of a junction only.")
    return _junction_logits(params, X, reach)


# Compiled cores


@jax.jit
def _states(cell, X, h_0):
    return cells.run(cell, X.swapaxes(0, 1), h_0).swapaxes(0, 1)


@jax.jit
def _vjp_states(cell, X, h_0, H_bar):
    X, H_bar = X.swapaxes(0, 1), H_bar.swapaxes(0, 1)
    H = cells.run(cell, X, h_0)
    back = cells.vjp_run(cell, X, H, h_0, H_bar, jnp.zeros_like(h_0))
    return back._replace(X=back.X.swapaxes(0, 1))


def sides(params: Network, X, reach: int):
    """The cells of a network and what each reads up to the read-out, time first: [(cell, X (T', n, d))]."""
    X = X.swapaxes(0, 1)
    if isinstance(params, OneWay):
        return [(params.cell, X)]
    T = len(X)
    left, right = min(T // 2 + reach, T), max(T // 2 - reach, 0)
    return [(params.forward, X[:left]), (params.backward, X[right:][::-1])]


def _read(params, X, reach):
    """Logits, and what the way back needs: the read-out's input (n, h or 2h), each side's states (T', n, h)."""
    H = [cells.run(cell, x, cells.zero_state(cell, x.shape[1])) for cell, x in sides(params, X, reach)]
    last = jnp.concatenate([h[-1] if len(h) else jnp.zeros(h.shape[1:], h.dtype) for h in H], axis=1)
    return last @ params.V.T + params.c[None], last, H


def _back(params, X, last, H, logits_bar, reach) -> NetworkVJP:
    """logits_bar back through the read-out, then through time on each side."""
    last_bar = jnp.split(logits_bar @ params.V, len(H), axis=1)
    back = []
    for (cell, x), h, h_bar in zip(sides(params, X, reach), H, last_bar, strict=True):
        back.append(cells.vjp_run(cell, x, h, cells.zero_state(cell, x.shape[1]), None, h_bar))
    grad = type(params)(*(b.cell for b in back), logits_bar.T @ last, logits_bar.sum(0))
    X_bar = jnp.zeros_like(X.swapaxes(0, 1)).at[: len(H[0])].add(back[0].X)
    if len(back) == 2:
        X_bar = X_bar.at[len(X_bar) - len(H[1]) :].add(back[1].X[::-1])
    return NetworkVJP(grad, X_bar.swapaxes(0, 1))


@partial(jax.jit, static_argnums=2)
def _logits(params, X, reach):
    return _read(params, X, reach)[0]


@partial(jax.jit, static_argnums=3)
def _vjp_logits(params, X, logits_bar, reach):
    _, last, H = _read(params, X, reach)
    return _back(params, X, last, H, logits_bar, reach)


@partial(jax.jit, static_argnums=4)
def _loss(params, X, y, class_weight, reach):
    return cross_entropy(_read(params, X, reach)[0], y, class_weight)


@partial(jax.jit, static_argnums=4)
def _loss_and_grad(params, X, y, class_weight, reach):
    out, last, H = _read(params, X, reach)
    back = _back(params, X, last, H, grad_cross_entropy_logits(out, y, class_weight), reach)
    return cross_entropy(out, y, class_weight), back.params


@partial(jax.jit, static_argnums=2)
def _junction_logits(params, X, reach):
    X = X.swapaxes(0, 1)
    T = len(X)
    f, g = (
        jnp.concatenate([h_0[None], cells.run(cell, x, h_0)])
        for cell, x in ((params.forward, X), (params.backward, X[::-1]))
        for h_0 in [cells.zero_state(cell, X.shape[1])]
    )
    j = np.arange(T + 1)
    last = jnp.concatenate([f[np.minimum(j + reach, T)], g[::-1][np.maximum(j - reach, 0)]], axis=2)
    return (last @ params.V.T + params.c[None, None]).swapaxes(0, 1)


# Checks in front of them


def _prepare_cell(cell: Any, X: Any, h_0: Any):
    h = _checks.cell(cell)
    _checks.inputs(X, cell)
    cell = jax.tree.map(jnp.asarray, cell)
    X = jnp.asarray(X, cell.W_h.dtype)
    if h_0 is None:
        return cell, X, cells.zero_state(cell, X.shape[0])
    _checks.shaped("h_0", h_0, (X.shape[0], h), "(n, h), one first state per sequence")
    return cell, X, jnp.asarray(h_0, X.dtype)


def _prepare(params: Any, X: Any, reach: int):
    """Parameters and X as JAX arrays of one dtype.  Raises ValueError."""
    _checks.network(params)
    _checks.inputs(X, params[0])
    if not isinstance(reach, int) or reach < 0 or (reach and isinstance(params, OneWay)):
        raise ValueError(f"reach must be an integer ≥ 0, and is for a TwoWay only; got {reach!r}.")
    params = jax.tree.map(jnp.asarray, params)
    return params, jnp.asarray(X, params.V.dtype)


def _prepare_loss(params: Any, X: Any, y: Any, class_weight: Any, reach: int):
    params, X = _prepare(params, X, reach)
    _checks.labels(y, X.shape[0], params.V.shape[0])
    _checks.class_weight(class_weight, params.V.shape[0])
    return params, X, jnp.asarray(y)
