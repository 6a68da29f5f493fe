"""Inducing points: the kernel matrix of n points seen through m of them.

Problem    K ≈ K_nm K_mm⁻¹ K_mn for m points Z, so that ridge regression costs n m² and not n³
Features   phi(x) = L⁻¹ k(Z, x),  K_mm = L Lᵀ:   phi(x)·phi(z) = k(x, Z) K_mm⁻¹ k(Z, z)
Error      k(x, x) - ‖phi(x)‖² ≥ 0 is what the values at Z leave open of f(x) (a Schur complement)
Choice     greedy: the next point is the one that is least explained so far = Cholesky with pivoting
Exact      m = n gives back kernel ridge regression
References williams2001, fine2001 (pivoted Cholesky)
Symbols    X (n, d), Z (m, d), K_nm, K_mm, L (m, m), Phi (n, m)
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.linalg import lapack, solve_triangular

from mcbook.kernels._checks import named_kernel, points, widths
from mcbook.kernels._distances import distances
from mcbook.kernels.functions import KERNELS, Kernel, kernel_matrix

REDUNDANT = 1e-10  # a point of which the others leave less than this open is no use, and would spoil L


class PivotedCholesky(NamedTuple):
    """K ≈ F Fᵀ from the columns of K at the pivots; `open` is what stays unexplained, step by step."""

    F: np.ndarray  # (n, r)
    pivots: np.ndarray  # (r,) rows, in the order of choice
    open: np.ndarray  # (r + 1,) tr(K - F Fᵀ)/n after 0, 1, …, r pivots


class Nystroem(NamedTuple):
    """Inducing points and the factor of their kernel matrix; calling it maps points to features."""

    Z: np.ndarray  # (r, d)
    L: np.ndarray  # (r, r), lower
    kernel: Kernel
    sigma: np.ndarray  # () or (d,)
    dropped: int  # points handed in that the others already explained

    @property
    def m(self) -> int:
        return len(self.Z)

    def __call__(self, X: Any) -> Float[np.ndarray, "n r"]:
        """Phi (n, r) of X (n, d).  Raises ValueError for features other than Z's, or NaN."""
        X = points(X, "X", d=self.Z.shape[1])
        S = distances(X / self.sigma, self.Z / self.sigma, self.kernel.metric)
        return solve_triangular(
            self.L, self.kernel.phi(S).T, lower=True, overwrite_b=True, check_finite=False
        ).T


def nystroem_basis(Z: Any, *, kernel: Any = "gaussian", sigma: Any) -> Nystroem:
    """The features of inducing points Z (m, d); redundant points (duplicates, say) are dropped and counted.

    Raises ValueError for an empty Z, NaN, an unknown kernel or widths that are not positive.
    """
    kernel, Z = named_kernel(kernel, KERNELS), points(Z, "Z")
    K_mm = kernel_matrix(Z, kernel=kernel, sigma=sigma)
    factor, order, rank, _ = lapack.dpstrf(K_mm, tol=REDUNDANT, lower=1)
    L = np.tril(factor[:rank, :rank])
    return Nystroem(Z[order[:rank] - 1], L, kernel, widths(sigma, Z.shape[1]), len(Z) - int(rank))


def pivoted_cholesky(
    X: Any, m: int, *, kernel: Any = "gaussian", sigma: Any, tol: float = REDUNDANT
) -> PivotedCholesky:
    """Greedy rank-m factor of K between the rows of X (n, d), of which only m columns are computed.

    Stops early when no row has more than tol left open.  Memory n m.
    Raises ValueError for m < 1 or m > n, NaN, an unknown kernel or widths that are not positive.
    """
    kernel, X = named_kernel(kernel, KERNELS), points(X, "X")
    scaled = X / widths(sigma, X.shape[1])
    _at_most(m, len(X))
    F = np.zeros((m, len(X)))
    left = np.ones(len(X))
    pivots, traces = [], [1.0]
    for j in range(m):
        i = int(np.argmax(left))
        if left[i] <= tol:
            break
        column = kernel.phi(distances(scaled[i : i + 1], scaled, kernel.metric))[0]
        F[j] = (column - F[:j, i] @ F[:j]) / np.sqrt(left[i])
        left = np.maximum(left - F[j] ** 2, 0)
        left[i] = 0
        pivots.append(i)
        traces.append(float(left.mean()))
    return PivotedCholesky(F[: len(pivots)].T, np.array(pivots), np.array(traces))


def choose_inducing(
    X: Any,
    m: int,
    *,
    kernel: Any = "gaussian",
    sigma: Any,
    rng: np.random.Generator,
    method: str = "greedy",
    candidates: int | None = None,
) -> Float[np.ndarray, "r d"]:
    """Z (r, d), r ≤ m rows of X (n, d): 'greedy' by pivoted Cholesky among random candidates, or 'uniform'.

    Candidates default to 8 m (all n if fewer); r < m when fewer points already explain them all.
    Raises ValueError for an unknown method, m < 1, m > n, or fewer candidates than m.
    """
    X = points(X, "X")
    _at_most(m, len(X))
    count = min(len(X), 8 * m if candidates is None else candidates)
    if method not in ("greedy", "uniform") or count < m:
        raise ValueError(
            f"choose_inducing expects method 'greedy' or 'uniform' and candidates ≥ m; "
            f"got {method!r}, {count} for {m=}."
        )
    if method == "uniform":
        return X[rng.choice(len(X), m, replace=False)]
    pool = X[rng.choice(len(X), count, replace=False)]
    return pool[pivoted_cholesky(pool, m, kernel=kernel, sigma=sigma).pivots]


def _at_most(m: int, n: int) -> None:
    if not 1 <= m <= n:
        raise ValueError(f"expected 1 ≤ m ≤ n inducing points, got {m=} of {n=} rows.")
