"""Recurrent cells: a tanh network and a gated recurrent unit, forward and backward through time.

Problem    a state h_t (n, h) that reads one letter x_t (n, d) after the other
Tanh       h_t = tanh(x_t W_xᵀ + h_{t-1} W_hᵀ + b)
GRU        s_t = h_{t-1} W_hᵀ,   a_t = x_t W_xᵀ + b, three blocks each: reset, update, candidate
           r = σ(a_r + s_r),   z = σ(a_z + s_z),   m = tanh(a_m + r ∘ s_m),   h_t = (1 - z) ∘ m + z ∘ h_{t-1}
           The reset gate acts *after* the matrix, as in cuDNN and torch (there with bias_hh = 0), so that one
           product serves all three blocks; Cho et al. (2014) let it act before: r ∘ h_{t-1}.
Backward   h̄_t is the cotangent of h_t: everything that later steps and the loss want of it.
           Tanh  ā_t = (1 - h_t²) ∘ h̄_t,   h̄_{t-1} += ā_t W_h
           GRU   m̄ = (1 - z) ∘ h̄,  z̄ = (h_{t-1} - m) ∘ h̄,  ā_m = (1 - m²) ∘ m̄,  ā_z = z(1 - z) ∘ z̄,
                 ā_r = r(1 - r) ∘ s_m ∘ ā_m,   s̄ = (ā_r, ā_z, r ∘ ā_m),   h̄_{t-1} += z ∘ h̄_t + s̄_t W_h
Gradients  [W̄_x, b̄, W̄_h] = Σ_t ā_tᵀ [x_t, 1, h_{t-1}]    (GRU: s̄_t in place of ā_t for W̄_h)
           The sum over t is one product of (h, Tn) and (Tn, d + 1 + h) matrices after the recursion,
           not T of them.
References elman1990, werbos1990, cho2014
Symbols    n samples, T steps, d letters, h hidden units; outside X (n, T, d), inside time comes first
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

Array = Any  # NumPy or JAX


class RNNCell(NamedTuple):
    """h_t = tanh(x_t W_xᵀ + h_{t-1} W_hᵀ + b)."""

    W_x: Float[Array, "h d"]
    W_h: Float[Array, "h h"]
    b: Float[Array, " h"]


class GRUCell(NamedTuple):
    """Gated recurrent unit; the rows of the three arrays are reset, update and candidate, in this order."""

    W_x: Float[Array, "3*h d"]
    W_h: Float[Array, "3*h h"]
    b: Float[Array, " 3*h"]


Cell = RNNCell | GRUCell


class CellVJP(NamedTuple):
    """What flows back out of a cell: to its parameters, its input (n, T, d) and its first state (n, h)."""

    cell: Any
    X: Float[Array, "n T d"]
    h_0: Float[Array, "n h"]


def affine(cell: Cell, X):
    """x_t W_xᵀ + b for all t at once: (T, n, d) → (T, n, rows of W_x)."""
    return X @ cell.W_x.T + cell.b[None, None, :]


# One step forward: (h_{t-1}, affine a_t) → h_t


def rnn_step(cell: RNNCell, h, a):
    """h_t = tanh(a_t + h_{t-1} W_hᵀ)."""
    return jnp.tanh(a + h @ cell.W_h.T)


def gru_gates(s, a):
    """r, z, m from s = h_{t-1} W_hᵀ and a = x_t W_xᵀ + b, (..., 3h) each."""
    (s_r, s_z, s_m), (a_r, a_z, a_m) = jnp.split(s, 3, axis=-1), jnp.split(a, 3, axis=-1)
    r, z = jax.nn.sigmoid(a_r + s_r), jax.nn.sigmoid(a_z + s_z)
    return r, z, jnp.tanh(a_m + r * s_m)


def gru_step(cell: GRUCell, h, a):
    """h_t = (1 - z) ∘ m + z ∘ h_{t-1}."""
    _, z, m = gru_gates(h @ cell.W_h.T, a)
    return m + z * (h - m)


def step(cell: Cell, h, a):
    """One step of either cell."""
    return rnn_step(cell, h, a) if isinstance(cell, RNNCell) else gru_step(cell, h, a)


# All steps, time first


def run(cell: Cell, X, h_0):
    """All states H (T, n, h) from X (T, n, d)."""

    def forward(h, a):
        h = step(cell, h, a)
        return h, h

    return jax.lax.scan(forward, h_0, affine(cell, X))[1]


def vjp_rnn(cell: RNNCell, X, H, h_0, H_bar, h_bar):
    """Backpropagation through time for the tanh cell, time first.

    H_bar (T, n, h), or None for zero, is what the loss wants of every state; h_bar (n, h) of the last one.
    """

    def back(h_bar, t):
        h, wanted = t
        h_bar = h_bar if wanted is None else h_bar + wanted
        a_bar = (1 - h * h) * h_bar  # tanh' at a_t is 1 - h_t²
        return a_bar @ cell.W_h, a_bar

    h_0_bar, A_bar = jax.lax.scan(back, h_bar, (H, H_bar), reverse=True)
    W_x, b, W_h = over_time(A_bar, X, jnp.ones_like(X[..., :1]), before(H, h_0))
    return CellVJP(RNNCell(W_x, W_h, b[:, 0]), A_bar @ cell.W_x, h_0_bar)


def gru_slopes(cell: GRUCell, X, H_before):
    """to_a, to_s (T, n, 3h) and z: ā_t = to_a ∘ (h̄_t, h̄_t, h̄_t), s̄_t likewise, h̄_{t-1} = z ∘ h̄_t + s̄_t W_h.

    None of it waits for h̄: all steps are done at once, the gates formed again from the states.
    """
    S = H_before @ cell.W_h.T
    r, z, m = gru_gates(S, affine(cell, X))
    s_m = jnp.split(S, 3, axis=-1)[2]
    to_m = (1 - z) * (1 - m * m)
    to_z, to_r = (H_before - m) * z * (1 - z), to_m * s_m * r * (1 - r)
    return jnp.concatenate([to_r, to_z, to_m], -1), jnp.concatenate([to_r, to_z, to_m * r], -1), z


def vjp_gru(cell: GRUCell, X, H, h_0, H_bar, h_bar):
    """Backpropagation through time for the gated unit, time first; arguments as in `vjp_rnn`."""
    H_before = before(H, h_0)
    to_a, to_s, z = gru_slopes(cell, X, H_before)

    def back(h_bar, t):
        to_s, z, wanted = t
        h_bar = h_bar if wanted is None else h_bar + wanted
        return z * h_bar + (to_s * jnp.tile(h_bar, 3)) @ cell.W_h, h_bar

    h_0_bar, H_bar = jax.lax.scan(back, h_bar, (to_s, z, H_bar), reverse=True)
    A_bar, S_bar = to_a * jnp.tile(H_bar, 3), to_s * jnp.tile(H_bar, 3)
    W_x, b = over_time(A_bar, X, jnp.ones_like(X[..., :1]))
    (W_h,) = over_time(S_bar, H_before)
    return CellVJP(GRUCell(W_x, W_h, b[:, 0]), A_bar @ cell.W_x, h_0_bar)


def vjp_run(cell: Cell, X, H, h_0, H_bar, h_bar) -> CellVJP:
    """`run` backwards, for either cell, time first."""
    if isinstance(cell, RNNCell):
        return vjp_rnn(cell, X, H, h_0, H_bar, h_bar)
    return vjp_gru(cell, X, H, h_0, H_bar, h_bar)


def before(H, h_0):
    """The states that the steps start from: h_0, ..., h_{T-1}."""
    return jnp.concatenate([h_0[None], H])[: len(H)]


def over_time(A, *parts):
    """Σ_t A_tᵀ B_t for A (T, n, p) and each part B (T, n, ·): one product of (p, Tn) and (Tn, ·)."""
    Z = jnp.concatenate(parts, axis=-1)
    G = A.reshape(-1, A.shape[-1]).T @ Z.reshape(-1, Z.shape[-1])
    return jnp.split(G, np.cumsum([B.shape[-1] for B in parts])[:-1], axis=1)


def zero_state(cell: Cell, n: int):
    """h_0 = 0, (n, h)."""
    return jnp.zeros((n, cell.W_h.shape[1]), cell.W_h.dtype)
