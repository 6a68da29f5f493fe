"""Classifiers of sequences: a cell or two, and a softmax; the loss and its gradient by hand.

Problem    X (n, T, d) letters, rows are samples; y (n,) in 0..k-1; which class has each sequence?
OneWay     logits = h_T Vᵀ + c: one cell reads from left to right, the last state decides
TwoWay     logits = [f_i, g_j] Vᵀ + c, f_i the state of a cell that has read letters 0..i-1 from the left,
           g_j that of a cell that has read T-1..j from the right. Left of a junction j lie the letters
           0..j-1, so with i = j each letter is read once; with `reach` s both read s letters beyond it:
           f_{j+s}, g_{j-s}. A window has its junction in the middle, j = T // 2; a long sequence has one in
           front of every letter.
Objective  L = Σ_i w_{y_i} ℓ_i / Σ_i w_{y_i},   ℓ_i = log Σ_c exp(logit_ic) - logit_{i y_i}
Gradient   dℓ_i = ⟨p_i - e_{y_i}, d logits_i⟩,  p = softmax;   V̄ = logits_barᵀ h,  c̄ = Σ_n logits_bar,
           h̄_T = logits_bar V, and from there back through time: `cells`
Page       book/learning/splice
Symbols    h hidden units, k classes, w class weights, p probabilities, e_y the y-th unit row
"""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mcbook.splice import _checks, cells
from mcbook.splice.cells import Cell, CellVJP
from mcbook.splice.through_time import Plan, final_state, vjp_final_state

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


def states(cell: Any, X: Any, h_0: Any = None):
    """All states of a cell that reads X (n, T, d): (n, T, h).  Raises ValueError."""
    cell, X, h_0 = _prepare_cell(cell, X, h_0)
    return _states(cell, X, h_0)


def vjp_states(cell: Any, X: Any, H_bar: Any, h_0: Any = None) -> CellVJP:
    """Backpropagation through time: from H_bar (n, T, h), wanted of every state, to cell, X and h_0.

    Raises ValueError.
    """
    cell, X, h_0 = _prepare_cell(cell, X, h_0)
    _checks.shaped("H_bar", H_bar, (*X.shape[:2], cell.W_h.shape[1]), "(n, T, h), that of the states")
    return _vjp_states(cell, X, h_0, jnp.asarray(H_bar, X.dtype))


def logits(params: Any, X: Any, *, reach: int = 0):
    """(n, k): read at the end by a OneWay, at the middle junction T // 2 by a TwoWay.  Raises ValueError."""
    params, X = _prepare(params, X, reach)
    return _logits(params, X, reach)


def vjp_logits(params: Any, X: Any, logits_bar: Any, *, reach: int = 0) -> NetworkVJP:
    """From logits_bar (n, k) to the parameters and to X.

    With a row e_c for each sequence: the gradient of its logit c with respect to its letters.
    Raises ValueError.
    """
    params, X = _prepare(params, X, reach)
    _checks.shaped("logits_bar", logits_bar, (X.shape[0], params.V.shape[0]), "(n, k), that of the logits")
    return _vjp_logits(params, X, jnp.asarray(logits_bar, X.dtype), reach)


def loss(params: Any, X: Any, y: Any, *, class_weight: Any = None, reach: int = 0):
    """Softmax cross-entropy, weighted mean over the sequences, in nats.  Raises ValueError."""
    params, X, y = _prepare_loss(params, X, y, class_weight, reach)
    return _loss(params, X, y, class_weight, reach)


def grad_loss(params: Any, X: Any, y: Any, *, class_weight: Any = None, reach: int = 0):
    """The gradient of `loss`: a NamedTuple of the kind and the shapes of `params`.  Raises ValueError."""
    params, X, y = _prepare_loss(params, X, y, class_weight, reach)
    return _loss_and_grad(params, X, y, class_weight, reach, Plan())[1]


def loss_and_grad(params: Any, X: Any, y: Any, *, class_weight: Any = None, reach: int = 0):
    """`loss` and `grad_loss` of one forward pass.  Raises ValueError."""
    params, X, y = _prepare_loss(params, X, y, class_weight, reach)
    return _loss_and_grad(params, X, y, class_weight, reach, Plan())


def checkpointed_grad_loss(
    params: Any,
    X: Any,
    y: Any,
    *,
    segment: int | None = None,
    class_weight: Any = None,
    reach: int = 0,
):
    """`grad_loss` in √T memory: the states of `segment` steps (√T unless told) at a time, run twice.

    Raises ValueError.
    """
    params, X, y = _prepare_loss(params, X, y, class_weight, reach)
    segment = max(1, math.isqrt(X.shape[1])) if segment is None else segment
    if not isinstance(segment, int) or segment < 1:
        raise ValueError(f"segment must be an integer of at least 1 step, got {segment!r}.")
    return _loss_and_grad(params, X, y, class_weight, reach, Plan(segment, keep=False))[1]


def truncated_grad_loss(params: Any, X: Any, y: Any, *, window: int, class_weight: Any = None):
    """`grad_loss` with the way back cut off after `window` steps: h_{T-window} is held constant.

    Not the gradient of `loss`: it lacks what the steps t ≤ T - window add, which falls with the product of
    `window` Jacobians.  Raises ValueError.
    """
    params, X, y = _prepare_loss(params, X, y, class_weight, 0)
    if not isinstance(params, OneWay):
        raise ValueError("truncated_grad_loss needs a OneWay, read at the end.")
    if not isinstance(window, int) or window < 1:
        raise ValueError(f"window must be an integer of at least 1 step, got {window!r}.")
    return _truncated_grad_loss(params, X, y, class_weight, min(window, X.shape[1]))


def junction_logits(params: Any, X: Any, *, reach: int = 0):
    """(n, T + 1, k): logits at every junction j = 0..T of X (n, T, d), j in front of letter j.

    Near the ends a reader has fewer letters than `reach` wants: then it takes what there is.
    Raises ValueError.
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
    return [(cell, x.swapaxes(0, 1)) for cell, x in _sides(params, X, reach)]


def _sides(params: Network, X, reach: int):
    """`sides`, samples first: [(cell, X (n, T', d))]."""
    if isinstance(params, OneWay):
        return [(params.cell, X)]
    T = X.shape[1]
    left, right = min(T // 2 + reach, T), max(T // 2 - reach, 0)
    return [(params.forward, X[:, :left]), (params.backward, X[:, right:][:, ::-1])]


def _read(params, X, reach, plan):
    """Logits, and what the way back needs: the read-out's input (n, h or 2h), what each side has saved."""
    out = [final_state(cell, x, cells.zero_state(cell, len(x)), plan) for cell, x in _sides(params, X, reach)]
    last = jnp.concatenate([h for h, _ in out], axis=1)
    return last @ params.V.T + params.c[None], last, [saved for _, saved in out]


def _back(params, X, last, saved, logits_bar, reach, plan, inputs=False) -> NetworkVJP:
    """logits_bar back through the read-out, then through time on each side."""
    last_bar = jnp.split(logits_bar @ params.V, _widths(params), axis=1)
    back = [
        vjp_final_state(cell, x, kept, h_bar, plan, inputs=inputs)
        for (cell, x), kept, h_bar in zip(_sides(params, X, reach), saved, last_bar, strict=True)
    ]
    grad = type(params)(*(b.cell for b in back), logits_bar.T @ last, logits_bar.sum(0))
    if not inputs:
        return NetworkVJP(grad, None)
    X_bar = jnp.zeros_like(X).at[:, : back[0].X.shape[1]].add(back[0].X)
    if len(back) == 2:
        X_bar = X_bar.at[:, X.shape[1] - back[1].X.shape[1] :].add(back[1].X[:, ::-1])
    return NetworkVJP(grad, X_bar)


def _widths(params) -> list[int]:
    """Where the read-out's input is split between the sides."""
    return [params.forward.W_h.shape[1]] if isinstance(params, TwoWay) else []


@partial(jax.jit, static_argnums=2)
def _logits(params, X, reach):
    return _read(params, X, reach, Plan(keep=False))[0]


@partial(jax.jit, static_argnums=3)
def _vjp_logits(params, X, logits_bar, reach):
    _, last, saved = _read(params, X, reach, Plan())
    return _back(params, X, last, saved, logits_bar, reach, Plan(), inputs=True)


@partial(jax.jit, static_argnums=4)
def _loss(params, X, y, class_weight, reach):
    return cross_entropy(_read(params, X, reach, Plan(keep=False))[0], y, class_weight)


@partial(jax.jit, static_argnums=(4, 5))
def _loss_and_grad(params, X, y, class_weight, reach, plan):
    out, last, saved = _read(params, X, reach, plan)
    logits_bar = grad_cross_entropy_logits(out, y, class_weight)
    back = _back(params, X, last, saved, logits_bar, reach, plan)
    return cross_entropy(out, y, class_weight), back.params


@partial(jax.jit, static_argnums=4)
def _truncated_grad_loss(params, X, y, class_weight, window):
    first = X.shape[1] - window
    h, _ = final_state(params.cell, X[:, :first], cells.zero_state(params.cell, len(X)), Plan(keep=False))
    h, saved = final_state(params.cell, X[:, first:], h, Plan())
    logits_bar = grad_cross_entropy_logits(h @ params.V.T + params.c[None], y, class_weight)
    return _back(params, X[:, first:], h, [saved], logits_bar, 0, Plan()).params


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
