"""How a change travels through time: one step's Jacobian, products of many, cotangents on the way back.

Problem    ∂h_T/∂h_t = J_T J_{T-1} ... J_{t+1}, rows are what comes out: (h, h)
Step       tanh  J_t = diag(1 - h_t²) W_h
           GRU   J_t = diag(z) + Σ over r, z, m of diag(to_s) times W_h's block: there is a path, diag(z),
                 on which no matrix stands
Vanishing  ‖h̄_t‖ ≤ σ_1(J_T ... J_{t+1}) ‖h̄_T‖, and for tanh σ_1 ≤ ‖W_h‖^(T-t): with the largest singular
           value of W_h below 1, what was long ago is forgotten at a geometric rate; above 1 it may explode,
           until the slopes 1 - h² stop it
Spectra    singular values of a product span many powers of ten, and a product formed entry by entry keeps
           those near the largest only. Here each factor passes through a QR decomposition, the scales of R
           are kept as logarithms, and a Jacobi method takes the singular values of what is left.
References bengio1994, pascanu2013, drmac2008
Symbols    J (T, h, h), keep and to_s slopes as in `cells`
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.linalg import lapack

from mcbook.splice import _checks, cells
from mcbook.splice.cells import Cell, RNNCell

Array = Any  # NumPy or JAX


def with_spectral_radius(W_h: Any, rho: float):
    """W_h (h, h), or each block of (3h, h), scaled to the largest |eigenvalue| rho.  Raises ValueError."""
    W_h = np.asarray(W_h)
    if W_h.ndim != 2 or W_h.shape[1] < 1 or W_h.shape[0] not in (W_h.shape[1], 3 * W_h.shape[1]):
        raise ValueError(f"W_h must be (h, h), or (3h, h) for a gated cell; got {W_h.shape}.")
    _checks.finite("W_h", W_h)
    if not rho >= 0:
        raise ValueError(f"a spectral radius is at least 0, got {rho}.")
    blocks = W_h.reshape(-1, W_h.shape[1], W_h.shape[1])
    radii = np.abs(np.linalg.eigvals(blocks)).max(axis=1)
    if (radii < 1e-12 * np.linalg.norm(blocks, axis=(1, 2))).any() or not radii.all():
        raise ValueError("W_h is nilpotent: its spectral radius is 0, and no factor changes that.")
    return (blocks * (rho / radii)[:, None, None]).reshape(W_h.shape).astype(W_h.dtype)


def step_jacobians(cell: Any, X: Any, h_0: Any = None) -> Float[Array, "T h h"]:
    """J_t = ∂h_t/∂h_{t-1} for t = 1..T, along one sequence X (T, d).  Raises ValueError."""
    cell, X, h_0 = _one(cell, X, h_0)
    return _step_jacobians(cell, X[:, None], h_0)


def state_cotangents(cell: Any, X: Any, h_bar: Any, h_0: Any = None):
    """h̄_t for t = 0..T, (T + 1, h), along X (T, d), from h̄_T = h_bar (h,).  Raises ValueError."""
    cell, X, h_0 = _one(cell, X, h_0)
    _checks.shaped("h_bar", h_bar, (cell.W_h.shape[1],), "(h,), that of a state")
    return _state_cotangents(cell, X[:, None], h_0, jnp.asarray(h_bar, X.dtype)[None])


def product_log_singular_values(J: Any) -> Float[Array, "times h"]:
    """Natural logarithms of the singular values of J_T ... J_{t+1} (T, h, h), descending, t = 0..T.

    The last row is that of no factor: zeros.  Raises ValueError.
    """
    J = np.asarray(J, float)
    if J.ndim != 3 or J.shape[1] != J.shape[2] or J.shape[1] < 1:
        raise ValueError(f"J must be (T, h, h), T square Jacobians; got {J.shape}.")
    _checks.finite("J", J)
    T, h, _ = J.shape
    out = np.zeros((T + 1, h))
    Q, log_d, U = np.eye(h), np.zeros(h), np.eye(h)  # (J_T ... J_{t+1})ᵀ = Q diag(exp(log_d)) U
    for t in range(T - 1, -1, -1):
        Q, R = np.linalg.qr(J[t].T @ Q)
        with np.errstate(over="ignore", invalid="ignore"):
            U = np.triu(R * np.exp(np.minimum(log_d[None, :] - log_d[:, None], 600.0))) @ U
        scale = np.abs(U).max(axis=1)
        scale[scale == 0] = np.finfo(float).tiny
        U, log_d = U / scale[:, None], log_d + np.log(scale)
        out[t] = _log_singular_values(log_d, U)
    return out


def _log_singular_values(log_d: np.ndarray, U: np.ndarray) -> np.ndarray:
    """Of diag(exp(log_d)) U, rows of very different sizes: LAPACK's Jacobi method, accurate for each."""
    top = log_d.max()
    kept = log_d > top - 650  # beyond that, floating point has no numbers: reported as the logarithm of 0
    columns = np.asfortranarray((np.exp(log_d - top)[:, None] * U)[kept].T)
    values, _, _, work, _, info = lapack.dgejsv(columns, joba=0, jobu=3, jobv=3)
    if info:
        raise np.linalg.LinAlgError(f"LAPACK's gejsv did not converge (info {info}).")
    out = np.full(len(log_d), -np.inf)
    with np.errstate(divide="ignore"):
        out[: kept.sum()] = np.sort(np.log(values * (work[0] / work[1])))[::-1] + top
    return out


@jax.jit
def _step_jacobians(cell, X, h_0):
    keep, to_s = _slopes(cell, X, h_0)
    h = cell.W_h.shape[1]
    blocks = to_s[:, 0].reshape(len(X), -1, h, 1) * cell.W_h.reshape(1, -1, h, h)
    return blocks.sum(1) + keep[:, 0, :, None] * jnp.eye(h, dtype=X.dtype)[None]


@jax.jit
def _state_cotangents(cell, X, h_0, h_bar):
    def back(h_bar, t):
        keep, to_s = t
        h_bar = keep * h_bar + (to_s * jnp.tile(h_bar, to_s.shape[-1] // keep.shape[-1])) @ cell.W_h
        return h_bar, h_bar

    earlier = jax.lax.scan(back, h_bar, _slopes(cell, X, h_0), reverse=True)[1]
    return jnp.concatenate([earlier, h_bar[None]])[:, 0]


def _slopes(cell: Cell, X, h_0):
    """keep and to_s of h̄_{t-1} = keep ∘ h̄_t + (to_s ∘ h̄_t) W_h, h̄_t repeated per block; for tanh 0."""
    H = cells.run(cell, X, h_0)
    if isinstance(cell, RNNCell):
        return jnp.zeros_like(H), 1 - H * H
    _, to_s, z = cells.gru_slopes(cell, X, cells.before(H, h_0))
    return z, to_s


def _one(cell: Any, X: Any, h_0: Any):
    """One sequence X (T, d), its cell and first state (1, h), as JAX arrays.  Raises ValueError."""
    h = _checks.cell(cell)
    if np.ndim(X) != 2:
        raise ValueError(f"X must be one sequence, (T, d); got shape {np.shape(X)}.")
    _checks.inputs(X[None], cell)
    cell = jax.tree.map(jnp.asarray, cell)
    X = jnp.asarray(X, cell.W_h.dtype)
    if h_0 is None:
        return cell, X, cells.zero_state(cell, 1)
    _checks.shaped("h_0", h_0, (h,), "(h,), one first state")
    return cell, X, jnp.asarray(h_0, X.dtype)[None]
