"""Derivatives that an algorithm hides: of factorisations, of matrix functions, of solutions of equations.

Each is a pair, forward (`jvp_…`) and reverse (`vjp_…`), adjoint to one another, ⟨Y_bar, jvp(A_dot)⟩ =
⟨vjp(Y_bar), A_dot⟩, and says where it holds: outside it refuses, naming the condition that fails.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from mcbook.calculus.oracles.factorisations import (
    SVD,
    Eigen,
    cholesky,
    eigh,
    jvp_cholesky,
    jvp_eigh,
    jvp_svd,
    svd,
    vjp_cholesky,
    vjp_eigh,
    vjp_svd,
)
from mcbook.calculus.oracles.functions import expm, jvp_expm, jvp_sqrtm, sqrtm, vjp_expm, vjp_sqrtm
from mcbook.calculus.oracles.solves import (
    Implicit,
    jvp_implicit,
    jvp_solve,
    solve,
    vjp_implicit,
    vjp_solve,
)

__all__ = [
    "ORACLES",
    "SVD",
    "Eigen",
    "Implicit",
    "Oracle",
    "cholesky",
    "eigh",
    "expm",
    "jvp_cholesky",
    "jvp_eigh",
    "jvp_expm",
    "jvp_implicit",
    "jvp_solve",
    "jvp_sqrtm",
    "jvp_svd",
    "solve",
    "sqrtm",
    "svd",
    "vjp_cholesky",
    "vjp_eigh",
    "vjp_expm",
    "vjp_implicit",
    "vjp_solve",
    "vjp_sqrtm",
    "vjp_svd",
]


class Oracle(NamedTuple):
    """A pair of derivatives by name: what it is of, the equations both ways, and where they hold."""

    name: str
    equation: str
    forward: str
    reverse: str
    condition: str
    jvp: Callable[..., Any]
    vjp: Callable[..., Any]


ORACLES: tuple[Oracle, ...] = (
    Oracle(
        "Cholesky factor",
        r"A = L L^{\mathsf{T}}",
        r"\dot L = L\,\Phi(L^{-1} \dot A L^{-\mathsf{T}})",
        r"\bar A = \operatorname{sym}(L^{-\mathsf{T}} \Phi(L^{\mathsf{T}} \bar L) L^{-1})",
        "A symmetric positive definite",
        jvp_cholesky,
        vjp_cholesky,
    ),
    Oracle(
        "eigenvalues and eigenvectors",
        r"A = V \operatorname{diag}(w) V^{\mathsf{T}}",
        r"\dot w = \operatorname{diag}(V^{\mathsf{T}} \dot A V),\ "
        r"\dot V = V (F \circ V^{\mathsf{T}} \dot A V)",
        r"\bar A = V (\operatorname{diag}(\bar w)"
        r" + \operatorname{sym}(F \circ V^{\mathsf{T}} \bar V)) V^{\mathsf{T}}",
        "A symmetric, its eigenvalues pairwise different",
        jvp_eigh,
        vjp_eigh,
    ),
    Oracle(
        "singular value decomposition",
        r"A = U \operatorname{diag}(s) V^{\mathsf{T}}",
        r"\dot s = \operatorname{diag}P,\ P = U^{\mathsf{T}} \dot A V,\ "
        r"\dot U = U (E \circ (P S + S P^{\mathsf{T}})) + (I - U U^{\mathsf{T}}) \dot A V S^{-1}",
        r"\bar A = U \bar P V^{\mathsf{T}} + (I - U U^{\mathsf{T}}) \bar U S^{-1} V^{\mathsf{T}}"
        r" + U S^{-1} \bar V^{\mathsf{T}} (I - V V^{\mathsf{T}})",
        "singular values pairwise different and not zero",
        jvp_svd,
        vjp_svd,
    ),
    Oracle(
        "matrix exponential",
        r"E = \exp A",
        r"\dot E = \textstyle\int_0^1 e^{tA} \dot A\, e^{(1-t)A}\,\mathrm{d}t",
        r"\bar A = \textstyle\int_0^1 e^{tA^{\mathsf{T}}} \bar E\, e^{(1-t)A^{\mathsf{T}}}\,\mathrm{d}t",
        "A square",
        jvp_expm,
        vjp_expm,
    ),
    Oracle(
        "matrix square root",
        r"S S = A",
        r"\dot S S + S \dot S = \dot A",
        r"\bar A S + S \bar A = \operatorname{sym}\bar S",
        "A symmetric positive definite",
        jvp_sqrtm,
        vjp_sqrtm,
    ),
    Oracle(
        "linear solve",
        r"A U = B",
        r"A \dot U = \dot B - \dot A U",
        r"A^{\mathsf{T}} \bar B = \bar U,\ \bar A = -\bar B U^{\mathsf{T}}",
        "A invertible",
        jvp_solve,
        vjp_solve,
    ),
    Oracle(
        "implicit function",
        r"R(u, p) = 0",
        r"R_u \dot u = -R_p \dot p",
        r"R_u^{\mathsf{T}} \lambda = \bar u,\ \bar p = -R_p^{\mathsf{T}} \lambda",
        "R_u invertible at the solution",
        jvp_implicit,
        vjp_implicit,
    ),
)
