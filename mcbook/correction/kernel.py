"""The kernel of the correction, and its blocks between energies and gradients.

Problem    how a function's values and slopes at one geometry vary together with those at another
Kernel     k0(z, z') = exp(-½‖z - z'‖²), z = q/sigma, a width for each kind of pair
           k(X, X') = (1/|G|) Σ_g k0(z, g z'): a function of this kernel does not change when like atoms swap
Blocks     d = z - g z', T = J Jg'ᵀ with J = ∂z/∂X and the rows of J' permuted by g
           Cov(E, E') = k0      Cov(E, ∂'E') = k0 (J' d)      Cov(∂E, ∂'E') = k0 (T - (J d)(J' d)ᵀ)
Widths     by log sigma_c, d and J each lose their part of class c once:
           k0 ↦ k0 s_c,  s_c = ‖d_c‖²;   J'd ↦ -2 (J'd)_c;   T ↦ -2 T_c,  and the product rule
References solak2003, chmiela2017, rasmussen2006
Symbols    z (n, p), J (n, p, s) columns the reduced coordinates of `features`; labels (p,) the kind of pair
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

Array = Any


class Points(NamedTuple):
    """Scaled features and their slopes: z (n, p), J (n, p, s); s = 0 where only energies are wanted."""

    z: np.ndarray
    J: np.ndarray


class Blocks(NamedTuple):
    """Covariances of energies and gradients of unit variance."""

    EE: np.ndarray  # (n, m)
    EG: np.ndarray  # (n, m, s')
    GG: np.ndarray  # (n, s, m, s')


def scaled(q: Float[Array, "n p"], J: Float[Array, "n p s"], sigma: Float[Array, " p"]) -> Points:
    """z = q/sigma and ∂z/∂X."""
    return Points(q / sigma, J / sigma[:, None])


def swaps(B: Points, pairs: Int[Array, "g p"]) -> Iterator[Points]:
    """B with its pairs permuted, once for each permutation."""
    for g in pairs:
        yield Points(B.z[:, g], B.J[:, g])


def blocks(A: Points, B: Points, pairs: Int[Array, "g p"]) -> Blocks:
    """All three, averaged over the permutations."""
    n, m, s, t = len(A.z), len(B.z), A.J.shape[2], B.J.shape[2]
    EE, EG, GG = np.zeros((n, m)), np.zeros((n, m, t)), np.zeros((n, s, m, t))
    for C in swaps(B, pairs):
        d, k = _apart(A, C)
        right, left = _slopes(d, A, C)
        EE += k
        EG += k[..., None] * right
        GG += k[:, None, :, None] * (_along(A.J, C.J) - _outer(left, right))
    return Blocks(EE / len(pairs), EG / len(pairs), GG / len(pairs))


def matrix(A: Points, pairs: Int[Array, "g p"]) -> Float[Array, "N N"]:
    """K of all observations at A: the n energies, then the gradients geometry by geometry; N = n (1 + s)."""
    b = blocks(A, A, pairs)
    n, s = len(A.z), A.J.shape[2]
    EG = b.EG.reshape(n, n * s)
    return np.block([[b.EE, EG], [EG.T, b.GG.reshape(n * s, n * s)]])


def vjp_matrix_log_sigma(
    A: Points, K_bar: Float[Array, "N N"], pairs: Int[Array, "g p"], labels: Int[Array, " p"]
) -> Float[Array, " c"]:
    """⟨K_bar, ∂K/∂log sigma_c⟩ for every kind of pair c; K_bar symmetric."""
    n, s = len(A.z), A.J.shape[2]
    E_bar, G_bar = K_bar[:n, :n], K_bar[n:, n:].reshape(n, s, n, s)
    EG_bar = 2 * K_bar[:n, n:].reshape(n, n, s)  # it stands twice in a symmetric matrix
    found = np.zeros(labels.max() + 1)
    for C in swaps(A, pairs):
        d, k = _apart(A, C)
        right, left = _slopes(d, A, C)
        inner = _along(A.J, C.J) - _outer(left, right)
        weight = k * (E_bar + (EG_bar * right).sum(-1) + np.einsum("iajb,iajb->ij", G_bar, inner))
        for c in range(len(found)):
            dc = np.where(labels == c, d, 0.0)
            right_c, left_c = _slopes(dc, A, C)
            found[c] += np.vdot(weight, (dc**2).sum(-1))
            found[c] -= 2 * np.vdot(EG_bar * k[..., None], right_c)
            inner_c = _along(A.J[:, labels == c], C.J[:, labels == c])
            inner_c -= _outer(left_c, right) + _outer(left, right_c)
            found[c] -= 2 * np.vdot(G_bar * k[:, None, :, None], inner_c)
    return found / len(pairs)


def _apart(A: Points, B: Points) -> tuple[np.ndarray, np.ndarray]:
    """d (n, m, p) and k0 (n, m)."""
    d = A.z[:, None, :] - B.z[None, :, :]
    return d, np.exp(-0.5 * (d**2).sum(-1))


def _slopes(d: np.ndarray, A: Points, B: Points) -> tuple[np.ndarray, np.ndarray]:
    """J'd (n, m, s') and J d (n, m, s)."""
    right = np.matmul(d.transpose(1, 0, 2), B.J).transpose(1, 0, 2)
    return right, np.matmul(d, A.J)


def _along(JA: np.ndarray, JB: np.ndarray) -> np.ndarray:
    """T (n, s, m, s')."""
    return np.tensordot(JA, JB, axes=(1, 1))


def _outer(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(J d)(J'd)ᵀ (n, s, m, s')."""
    return left.transpose(0, 2, 1)[..., None] * right[:, None]
