"""Widths and lam by the gradient of the validation error, through the solve, for many rows.

Problem    choose sigma (one per feature) and lam so that inducing points Z predict other rows well
Objective  V = 1/(2 n_v) ‖r‖²,  r = K_vm a - y_v,   H a = K_mn y,  H = K_mn K_nm + lam K_mm
Adjoint    H u = K_mv r/n_v;  e = y - K_nm a
Gradient   dV = ⟨r aᵀ/n_v, dK_vm⟩ + ⟨e uᵀ - (K_nm u) aᵀ, dK_nm⟩ - lam ⟨u aᵀ, dK_mm⟩ - (uᵀK_mm a) dlam
Widths     dK = Σ_k K ∘ (x_k - z_k)²/sigma_k² dlog sigma_k; the cotangents are of rank one, so K times
           2 d + 1 columns is all that is needed: no further n x m matrix is formed
Solver     L-BFGS on log V in the coordinates (log sigma, log lam)
References pedregosa2016
Symbols    X (n, d), y to fit; X_v, y_v to validate; A, Z rows over sigma; a, u (m,)

The Gaussian kernel; targets are centred by the mean of y.  Derived: book/learning/kernels.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from mcbook.kernels._checks import points, ridge, targets, widths
from mcbook.kernels._distances import distances
from mcbook.kernels.functions import GAUSSIAN
from mcbook.kernels.nystroem import nystroem_basis


class Split(NamedTuple):
    """Rows to fit and rows to validate, and the inducing points; made by `split_rows`."""

    X: np.ndarray  # (n, d)
    y: np.ndarray  # (n,) centred
    X_v: np.ndarray  # (n_v, d)
    y_v: np.ndarray  # (n_v,) less the same mean
    Z: np.ndarray  # (m, d)


class ValidationGradient(NamedTuple):
    """V, and its gradient in the logarithms of the widths and of lam."""

    loss: float
    grad_log_sigma: np.ndarray  # (d,)
    grad_log_lam: float


class TunedWidths(NamedTuple):
    """Widths and lam found by descent; not converging is data, and `losses` shows how it went."""

    sigma: np.ndarray  # (d,)
    lam: float
    losses: np.ndarray  # (evaluations,) V
    converged: bool
    message: str


def split_rows(X: Any, y: Any, Z: Any, *, validate: float = 0.5, rng: np.random.Generator) -> Split:
    """Deals the rows at random: a fraction `validate` to validate, the others to fit.

    X (n, d), y (n,), Z (m, d).  Raises ValueError for shapes that do not fit, NaN or an empty part.
    """
    X = points(X, "X", least=2)
    y, Z = targets(y, len(X), one=True), points(Z, "Z", d=X.shape[1])
    held = round(validate * len(X))
    if not 1 <= held < len(X):
        raise ValueError(f"split_rows expects 0 < validate < 1 and rows in both, got {validate} of {len(X)}.")
    order = rng.permutation(len(X))
    v, t = order[:held], order[held:]
    return Split(X[t], y[t] - y[t].mean(), X[v], y[v] - y[t].mean(), Z)


def validation_gradient(part: Split, *, sigma: Any, lam: float) -> ValidationGradient:
    """V and its gradient: one Cholesky of an (m, m) system, and products with K; O((n + n_v) m²).

    sigma > 0, () or (d,); a single width is read as d equal ones.  lam > 0.
    Raises ValueError for widths or a lam that are not positive.
    """
    sigma = np.broadcast_to(widths(sigma, part.X.shape[1]), part.X.shape[1:])
    if not ridge(lam) > 0:
        raise ValueError("lam must be positive: its logarithm is the coordinate.")
    basis = nystroem_basis(part.Z, sigma=sigma)
    A, A_v, Z = part.X / sigma, part.X_v / sigma, basis.Z / sigma
    K, K_v, K_mm = (GAUSSIAN.phi(distances(rows, Z, "sqeuclidean")) for rows in (A, A_v, Z))
    solve = _solver(K, basis.L, lam)
    a = solve(K.T @ part.y)
    r = K_v @ a - part.y_v
    u = solve(K_v.T @ r) / len(r)
    Ku = K @ u
    grad = _pull(r / len(r), K_v, a, A_v, Z) - lam * _pull(u, K_mm, a, Z, Z)
    grad += _pull(part.y - K @ a, K, u, A, Z) - _pull(Ku, K, a, A, Z)
    return ValidationGradient(float(r @ r) / (2 * len(r)), grad, -lam * float(u @ (K_mm @ a)))


def _solver(K: Float[np.ndarray, "n m"], L: Float[np.ndarray, "m m"], lam: float):
    """b ↦ H⁻¹b with H = L (PhiᵀPhi + lam I) Lᵀ, Phi = K L⁻ᵀ: whitened, so that lam stays in sight of eps."""
    Phi_T = solve_triangular(L, K.T, lower=True, check_finite=False)
    C = Phi_T @ Phi_T.T
    C[np.diag_indices_from(C)] += lam
    factor = cho_factor(C, lower=True, overwrite_a=True, check_finite=False)

    def solve(b: np.ndarray) -> np.ndarray:
        w = cho_solve(factor, solve_triangular(L, b, lower=True, check_finite=False), check_finite=False)
        return solve_triangular(L, w, lower=True, trans=1, check_finite=False)

    return solve


def _pull(
    left: Float[np.ndarray, " n"],
    K: Float[np.ndarray, "n m"],
    right: Float[np.ndarray, " m"],
    A: Float[np.ndarray, "n d"],
    Z: Float[np.ndarray, "m d"],
) -> Float[np.ndarray, " d"]:
    """Σ_ij left_i K_ij right_j (A_ik - Z_jk)² for every feature k, (d,): the pullback of left rightᵀ."""
    columns = right[:, None] * np.concatenate([np.ones((len(Z), 1)), Z, Z * Z], axis=1)
    K0, K1, K2 = np.split(K @ columns, [1, 1 + Z.shape[1]], axis=1)
    return left @ (A * A * K0 - 2 * A * K1 + K2)


def tune_widths(
    part: Split,
    *,
    sigma: Any,
    lam: float,
    together: bool = False,
    max_iter: int = 60,
    tol: float = 1e-5,
    factor: float = 30.0,
) -> TunedWidths:
    """Descends log V from (sigma, lam), widths held within `factor` of their start and lam within factor².

    The widths move together first, then one by one: from a start far off, single widths are easily sent
    out of reach.  `together` leaves it at the first.  Stops when a step gains less than a fraction tol of
    log V; an evaluation costs O((n + n_v) m²).
    Raises ValueError for starts that are not positive, or factor ≤ 1.
    """
    d = part.X.shape[1]
    sigma = np.broadcast_to(widths(sigma, d), (d,))
    if not ridge(lam) > 0 or not factor > 1:
        raise ValueError(f"tune_widths expects lam > 0 and factor > 1, got {lam} and {factor}.")
    start = np.log(np.append(sigma, lam))
    reach = np.log(factor) * np.append(np.ones(d), 2.0)
    one_width = np.zeros((2, d + 1))
    one_width[0, :-1] = one_width[1, -1] = 1
    losses: list[float] = []
    coarse = tol if together else 100 * tol
    with threadpool_limits(1):  # the products are small: threads of BLAS would wait for each other
        run = _descend(part, start, one_width, np.zeros(2), reach[-2:], max_iter, coarse, losses)
        if not together:
            run = _descend(part, start, np.eye(d + 1), run.x @ one_width, reach, max_iter, tol, losses)
    best = np.exp(start + run.x @ (one_width if together else np.eye(d + 1)))
    return TunedWidths(best[:-1], float(best[-1]), np.array(losses), bool(run.success), str(run.message))


def _descend(part, start, directions, x, reach, max_iter: int, tol: float, losses: list[float]) -> Any:
    """L-BFGS on log V over theta = start + x @ directions, |x| ≤ reach; appends every V to `losses`."""

    def log_V(x: np.ndarray) -> tuple[float, np.ndarray]:
        theta = start + x @ directions
        V = validation_gradient(part, sigma=np.exp(theta[:-1]), lam=float(np.exp(theta[-1])))
        losses.append(V.loss)
        return np.log(V.loss), directions @ np.append(V.grad_log_sigma, V.grad_log_lam) / V.loss

    options = {"maxiter": max_iter, "ftol": tol}
    bounds = [(-r, r) for r in reach]
    return minimize(log_V, x, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
