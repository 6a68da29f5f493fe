"""Conjugate gradients, preconditioned by a multigrid made from the matrix and the nodes' places.

Problem    A x = b, A sparse, symmetric and positive definite, too large to factorise quickly
Idea       CG minimises the energy ½xᵀAx - bᵀx; a V-cycle is a cheap A⁻¹: damped Jacobi sweeps remove what is
           rough, and what is smooth is solved for on a coarser level
Levels     nodes in one box move together (P0, ones); one Jacobi step smooths that prolongation,
           P = (I - ω D⁻¹A)P0; the coarse matrix is Galerkin's, PᵀAP: the same energy on fewer unknowns
References vanek1996 (smoothed aggregation)
Symbols    D the diagonal of A, ω the damping, X (n, d) the nodes' places
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator, cg, splu

Array = Any
COARSEST = 800
SIDE = 3.0  # a box in units of the distance between nodes
CROWD = 2 * 9  # nodes: a box of side 3 holds 9 in the plane
HALVINGS = 20


class Level(NamedTuple):
    """One level: its matrix, the damped inverse diagonal ω/D, and the prolongation from the next one."""

    A: Any
    damping: np.ndarray
    P: Any
    PT: Any


class Hierarchy(NamedTuple):
    """Levels from fine to coarse, and the direct solve on the coarsest."""

    levels: list[Level]
    coarsest: Callable[[np.ndarray], np.ndarray]


class Solved(NamedTuple):
    """x, and how CG got there."""

    x: np.ndarray
    iterations: int
    converged: bool


def hierarchy(A: Any, X: Float[Array, "n d"], *, coarsest: int = COARSEST) -> Hierarchy:
    """Levels until at most `coarsest` unknowns are left, or boxes gather no more."""
    levels: list[Level] = []
    while A.shape[0] > coarsest:
        diagonal = A.diagonal()
        damping = 4 / 3 / (_radius(A, diagonal) * diagonal)
        P0, X_next = boxes(X)
        if P0.shape[1] > 0.7 * P0.shape[0]:
            break
        P = (P0 - sp.diags_array(damping) @ (A @ P0)).tocsr()
        PT = P.T.tocsr()
        levels.append(Level(A, damping, P, PT))
        A, X = (PT @ (A @ P)).tocsr(), X_next
    return Hierarchy(levels, direct(A))


def _radius(A: Any, diagonal: np.ndarray) -> float:
    """A bound on the spectral radius of D⁻¹A: its largest absolute row sum."""
    return float((abs(A).sum(1) / diagonal).max())


def boxes(X: Float[Array, "n d"]) -> tuple[Any, np.ndarray]:
    """P0 (n, m) with a one where a node lies in a box, and the boxes' mean places (m, d).

    Boxes are equal on an even mesh; where nodes crowd, a box is halved until it holds at most `CROWD`.
    """
    low, extent = X.min(0), np.ptp(X, axis=0)
    side = SIDE * (np.prod(extent) / len(X)) ** (1 / X.shape[1])
    box = _box(X - low, side)
    for _ in range(HALVINGS):
        crowded = np.bincount(box)[box] > CROWD
        if not crowded.any():
            break
        side /= 2
        box[crowded] = box.max() + 1 + _box(X[crowded] - low, side)
    _, box, count = np.unique(box, return_inverse=True, return_counts=True)
    P0 = sp.csr_array((np.ones(len(X)), box, np.arange(len(X) + 1)), shape=(len(X), len(count)))
    return P0, (P0.T @ X) / count[:, None]


def _box(X: np.ndarray, side: float) -> np.ndarray:
    """The number of each node's box in a grid of that side, counted over the boxes that hold a node."""
    index = np.floor(X / side).astype(np.int64)
    key = index @ np.cumprod(np.concatenate([[1], index.max(0)[:-1] + 1]))
    return np.unique(key, return_inverse=True)[1]


def v_cycle(h: Hierarchy, r: Float[Array, " n"], depth: int = 0) -> Float[Array, " n"]:
    """An approximation of A⁻¹r: smooth, correct on the coarser level, smooth. Symmetric, so CG may use it."""
    if depth == len(h.levels):
        return h.coarsest(r)
    A, damping, P, PT = h.levels[depth]
    x = damping * r
    x += P @ v_cycle(h, PT @ (r - A @ x), depth + 1)
    return x + damping * (r - A @ x)


def conjugate_gradients(A: Any, b: Float[Array, " n"], h: Hierarchy, *, rtol: float, most: int) -> Solved:
    """x with ‖b - A x‖ ≤ rtol ‖b‖, or what `most` iterations reached."""
    steps = 0

    def count(_: np.ndarray) -> None:
        nonlocal steps
        steps += 1

    inverse = LinearOperator(A.shape, matvec=lambda r: v_cycle(h, r), dtype=A.dtype)
    x, info = cg(A, b, rtol=rtol, maxiter=most, M=inverse, callback=count)
    return Solved(x, steps, info == 0)


def direct(A: Any) -> Callable[[np.ndarray], np.ndarray]:
    """b ↦ A⁻¹b by SuperLU, told that A is symmetric and positive definite (no pivoting)."""
    factor = splu(
        A.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
    )
    return factor.solve
