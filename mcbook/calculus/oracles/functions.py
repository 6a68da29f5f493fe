"""The matrix exponential and the matrix square root: derivatives forward and in reverse.

Problem    E = exp A = Σ Aᵏ/k!  for any square A;  S S = A  for a positive definite A
Forward    E_dot = ∫₀¹ exp(tA) A_dot exp((1-t)A) dt;  S_dot S + S S_dot = A_dot
Reverse    the same integral at Aᵀ; the same equation, for it is its own adjoint
Reference  higham2005 (scaling and squaring), higham2008 (derivatives of matrix functions)
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from mcbook.calculus.oracles.doors import as_square, as_symmetric, like, sym, symmetric_like

Array = Any
PADE = np.array(  # of degree 13; valid where ‖A‖₁ ≤ 5.37 (higham2005, table 2.3)
    [
        *(64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000),
        *(10559470521600, 670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1),
    ],
    dtype=float,
)


def expm(A: Any) -> Float[Array, "n n"]:
    """exp A = Σ Aᵏ/k!, by scaling and squaring of the [13/13] Padé approximant. Every square A has one."""
    A = as_square(A, "expm")
    squarings = max(0, int(np.ceil(np.log2(max(np.abs(A).sum(0).max(initial=0.0), 1e-300) / 5.37))))
    A = A / 2.0**squarings
    even, odd, power = np.zeros_like(A), np.zeros_like(A), np.eye(len(A))
    for k in range(0, 14, 2):
        even, odd, power = even + PADE[k] * power, odd + PADE[k + 1] * power, power @ A @ A
    E = np.linalg.solve(even - A @ odd, even + A @ odd)
    for _ in range(squarings):
        E = E @ E
    return E


def jvp_expm(A: Any, A_dot: Any) -> Float[Array, "n n"]:
    """∫ exp(tA) A_dot exp((1-t)A) dt, the upper right block of exp [[A, A_dot], [0, A]]."""
    A = as_square(A, "expm")
    A_dot = like(A_dot, A.shape, "A_dot")
    n, size = (
        len(A),
        max(float(np.abs(A_dot).max()), 1e-300),
    )  # it is linear in A_dot: a large one is no trouble
    return size * expm(np.block([[A, A_dot / size], [np.zeros((n, n)), A]]))[:n, n:]


def vjp_expm(A: Any, E_bar: Any) -> Float[Array, "n n"]:
    """The same integral at Aᵀ: the adjoint of B ↦ ∫ exp(tA) B exp((1-t)A) dt."""
    A = as_square(A, "expm")
    return jvp_expm(A.T, like(E_bar, A.shape, "E_bar"))


# --- the square root of a matrix -------------------------------------------------------------------------


def sqrtm(A: Any) -> Float[Array, "n n"]:
    """S symmetric positive definite, S S = A. Raises ValueError unless A is so too."""
    w, V = _positive(A)
    return (V * np.sqrt(w)) @ V.T


def jvp_sqrtm(A: Any, A_dot: Any) -> Float[Array, "n n"]:
    """S_dot S + S S_dot = A_dot, a Sylvester equation."""
    w, V = _positive(A)
    root = np.sqrt(w)
    return V @ ((V.T @ symmetric_like(A_dot, V.shape, "A_dot") @ V) / (root[:, None] + root[None, :])) @ V.T


def vjp_sqrtm(A: Any, S_bar: Any) -> Float[Array, "n n"]:
    """A_bar S + S A_bar = sym(S_bar): the equation is its own adjoint."""
    return jvp_sqrtm(A, sym(like(S_bar, np.shape(A), "S_bar")))


def _positive(A: Any) -> tuple[Float[Array, " n"], Float[Array, "n n"]]:
    """Eigenvalues and eigenvectors of a positive definite matrix."""
    w, V = np.linalg.eigh(as_symmetric(A, "sqrtm"))
    if w.min(initial=np.inf) <= 1e-14 * max(w.max(initial=0.0), np.finfo(float).tiny):
        raise ValueError(
            f"sqrtm needs a positive definite A, but its least eigenvalue is {w.min():.1e}: "
            "at a singular matrix the root has no derivative."
        )
    return w, V
