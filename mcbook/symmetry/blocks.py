"""The kernel between forces: Hessian blocks of a kernel, pulled back from distances to the atoms.

Problem    F = -∇E with E ~ GP(0, k): Cov(F, F) = ∂²k/∂X∂Zᵀ, the two minus signs cancel
Chain      x(X) distances with Jacobian J (p, 3a); J = J Q Qᵀ, where Q (3a, q) spans the motions that change
           some distance: the forces on a molecule have q = 3a - 6 free components
Block      K_ij = Σ_g J̃_iᵀ [-k (u uᵀ + diag v)](x_i, g x_j) (g J̃_j),  J̃ = J Q (p, q), g over permutations
           = Σ_g -k (J̃_iᵀu)(J̃_gjᵀu)ᵀ  +  J̃_iᵀ (Σ_g -k diag(v) J̃_gj): permutations are added before the product
Backward   for a loss with ∂loss/∂K_ij = S_ij:  B = J̃_i S_ij J̃_gjᵀ,  φ = -k (uᵀB u + Σ v_p B_pp),
           d loss = Σ φ Σ_p dh_p - k Σ_p [((B + Bᵀ)u)_p du_p + B_pp dv_p]
Solver     everything by matrix products over the frames; no loop but one over the columns' frames
Reference  chmiela2018
Symbols    n frames, p pairs, g permutations, q internal directions; S, K (n, q, n, q)
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from threadpoolctl import threadpool_limits

from mcbook._pairs import pair_jacobian, pair_powers
from mcbook.symmetry.product import ProductKernel, factor_slopes, factors

Array = Any
WORK = 2**16  # numbers in a block of predictions: half a megabyte, so that it stays in the cache


class Internal(NamedTuple):
    """Frames as the kernel sees them."""

    x: Float[np.ndarray, "n p"]  # distances, Å
    J: Float[np.ndarray, "n p q"]  # J̃ = J Q, their Jacobian along the internal directions
    Q: Float[np.ndarray, "n d q"]  # orthonormal, d = 3a


def internal(X: Float[Array, "n a 3"]) -> Internal:
    """Distances, and their Jacobian in an orthonormal basis of the motions that change distances.

    Q holds the eigenvectors of JᵀJ with the 3a - 6 largest eigenvalues (1 for two atoms): what is left
    out are translations and rotations, of which no distance knows.
    """
    n, a, _ = X.shape
    J = pair_jacobian(X, power=-1).reshape(n, -1, 3 * a)
    Q = np.linalg.eigh(J.transpose(0, 2, 1) @ J)[1][:, :, -max(3 * a - 6, 1) :]
    return Internal(pair_powers(X, power=-1), J @ Q, Q)


def force_matrix(
    data: Internal, pair_perms: Int[Array, "g p"], kernel: ProductKernel, *, threads: int = 1
) -> Float[np.ndarray, "n q n q"]:
    """Cov(F, F) along the internal directions; only the lower triangle of blocks, i ≥ j, is filled."""
    n, _, q = data.J.shape
    K = np.zeros((n, q, n, q))

    def column(j: int) -> None:
        K[j:, :, j] = _column(data.x[j:], data.J[j:], data.x[j], data.J[j], pair_perms, kernel)

    _each(column, n, threads)
    return K


def slopes(
    x: Float[Array, "c p"], z: Float[Array, "m p"], b: Float[Array, "m p"], kernel: ProductKernel
) -> tuple[Float[np.ndarray, " c"], Float[np.ndarray, "c p"]]:
    """E (c,) = Σ k u·b over the m rows of z, and ∂E/∂x (c, p) = Σ k [(u·b) u + v ∘ b], at distances x."""
    step = max(1, WORK // z.size)
    E, slope = np.empty(len(x)), np.empty(x.shape)
    for part in (slice(i, i + step) for i in range(0, len(x), step)):
        k, u, v = factors(x[part, None], z, kernel)
        w = k * np.einsum("cmp,mp->cm", u, b)
        E[part] = w.sum(axis=1)
        slope[part] = np.matmul(w[:, None], u)[:, 0] + np.einsum("cm,cmp,mp->cp", k, v, b, optimize=True)
    return E, slope


def force_product(
    data: Internal,
    pair_perms: Int[Array, "g p"],
    kernel: ProductKernel,
    alpha: Float[Array, "n q"],
    *,
    threads: int = 1,
) -> Float[np.ndarray, "n q"]:
    """K α without K: the forces -J̃ᵀ ∂E/∂x that a fit with coefficients α has at its own frames."""
    x, b = data.x, np.einsum("npq,nq->np", data.J, alpha)
    z, b = (w[:, pair_perms].reshape(-1, w.shape[1]) for w in (x, b))
    found = np.empty_like(x)

    def some(part: int) -> None:
        found[part::threads] = slopes(x[part::threads], z, b, kernel)[1]

    _each(some, threads, threads)
    return -np.einsum("npq,np->nq", data.J, found)


def _column(x, J, z, Jz, pair_perms, kernel) -> np.ndarray:
    """The blocks (m, q, q) of frames x (m, p), J (m, p, q) with one frame z (p,), Jz (p, q)."""
    Jg = Jz[pair_perms]  # (g, p, q)
    k, u, v = factors(x[:, None], z[pair_perms], kernel)
    along = np.matmul(u, J)  # (m, g, q)
    across = -k[..., None] * _by_permutation(u, Jg)
    D = (-k[..., None] * v).transpose(2, 0, 1)  # (p, m, g)
    middle = np.matmul(D, Jg.transpose(1, 0, 2)).transpose(1, 0, 2)  # (m, p, q)
    left, right = np.concatenate([J, along], 1), np.concatenate([middle, across], 1)
    return np.matmul(left.transpose(0, 2, 1), right)


def vjp_force_matrix(
    data: Internal,
    pair_perms: Int[Array, "g p"],
    kernel: ProductKernel,
    S: Float[Array, "n q n q"],
    *,
    threads: int = 1,
) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, " p"]]:
    """The derivatives of ⟨S, K⟩ with respect to log ell and log weight, pair by pair; S is symmetric."""
    parts: list[Any] = [None] * len(data.x)

    def column(j: int) -> None:
        twice = np.full(len(data.x) - j, 2.0)
        twice[0] = 1.0
        S_j = S[j:, :, j] * twice[:, None, None]
        parts[j] = _vjp_column(data.x[j:], data.J[j:], data.x[j], data.J[j], pair_perms, kernel, S_j)

    _each(column, len(parts), threads)
    by_ell, by_weight = np.sum(parts, axis=0)
    return by_ell, by_weight


def _vjp_column(x, J, z, Jz, pair_perms, kernel, S) -> np.ndarray:
    """(2, p): what the blocks of one column give to the two gradients; S (m, q, q)."""
    Jg = Jz[pair_perms]
    k, u, v = factors(x[:, None], z[pair_perms], kernel)
    A = np.matmul(J, S)  # J̃_i S_ij, (m, p, q)
    Bu = np.matmul(_by_permutation(u, Jg), A.transpose(0, 2, 1))  # (m, g, p)
    BTu = _by_permutation(np.matmul(np.matmul(u, J), S), Jg.transpose(0, 2, 1))
    B_pp = np.matmul(A.transpose(1, 0, 2), Jg.transpose(1, 2, 0)).transpose(1, 2, 0)
    phi = -k * ((u * Bu).sum(-1) + (v * B_pp).sum(-1))
    return np.array(
        [
            (phi[..., None] * d.h - k[..., None] * ((Bu + BTu) * d.u + B_pp * d.v)).sum(axis=(0, 1))
            for d in factor_slopes(x[:, None], z[pair_perms], kernel)
        ]
    )


def _by_permutation(U: np.ndarray, Jg: np.ndarray) -> np.ndarray:
    """U[m, g] @ Jg[g] for all m and g: (m, g, p), (g, p, q) -> (m, g, q)."""
    return np.matmul(U.transpose(1, 0, 2), Jg).transpose(1, 0, 2)


def _each(run: Callable[[int], None], n: int, threads: int) -> None:
    """run(0), …, run(n - 1) by several threads; the small products inside are no work for several more."""
    if threads < 2:
        for j in range(n):
            run(j)
        return
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(n)))
