"""Solutions known in advance, and how far a field is from them.

Problem    choose u, put f = -Δu + kappa u: the discrete solution must come back to u at the method's order
Errors     L2 ‖u_h - u‖ and H1 ‖∇u_h - ∇u‖ (the seminorm), both by quadrature
Orders     P1: 2 and 1; P2: 3 and 2, for a smooth u
References brenner2008
"""

from collections.abc import Callable
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from mcbook.ridge._checks import not_negative, reals, whole
from mcbook.ridge.assembly import quadrature_points, sample
from mcbook.ridge.elements import quadrature, shape_slopes, shapes
from mcbook.ridge.mesh import Mesh, geometry, slopes_of_coordinates

Array = Any
Field = Callable[[np.ndarray], np.ndarray]


class Manufactured(NamedTuple):
    """u: X (m, d) ↦ (m,), its gradient X ↦ (m, d), and the load f that makes it the solution."""

    u: Field
    grad_u: Field
    f: Field


class Errors(NamedTuple):
    """‖u_h - u‖ and ‖∇u_h - ∇u‖."""

    L2: float
    H1: float


def sines(kappa: Any, *, a: Any = 1.0) -> Manufactured:
    """u = Π sin(πx_i), zero on the boundary of the unit interval or square."""
    return _waves(np.sin, np.cos, 1.0, kappa, a)


def cosines(kappa: Any, *, a: Any = 1.0) -> Manufactured:
    """u = Π cos(πx_i), of zero slope across that boundary: the natural condition."""
    return _waves(np.cos, np.sin, -1.0, kappa, a)


def _waves(wave: Field, other: Field, sign: float, kappa: Any, a: Any) -> Manufactured:
    kappa = not_negative(kappa, "kappa")

    def u(X: np.ndarray) -> np.ndarray:
        return reduce(np.multiply, (wave(np.pi * x) for x in X.T))

    def grad_u(X: np.ndarray) -> np.ndarray:
        one, slope = wave(np.pi * X), sign * np.pi * other(np.pi * X)
        return np.column_stack(
            [slope[:, i] * np.prod(np.delete(one, i, axis=1), axis=1) for i in range(X.shape[1])]
        )

    return Manufactured(u, grad_u, lambda X: (a * X.shape[1] * np.pi**2 + kappa) * u(X))


def errors(mesh: Mesh, w: Any, u: Field, grad_u: Field, *, order: Any = 8) -> Errors:
    """The errors of the field with nodal values w (n,); `order` is the quadrature's degree of exactness.

    Raises ValueError where u or grad_u return a wrong shape or NaN.
    """
    w = reals(w, "w", shape=(len(mesh.nodes),))
    bary, weights = quadrature(mesh.nodes.shape[1], whole(order, "order"))
    X, size = quadrature_points(mesh, bary), geometry(mesh).size
    W = w[mesh.cells]
    off = W @ shapes(bary, mesh.degree).T - sample(u, "u", X)
    slope = np.einsum("tk,qka->tqa", W, shape_slopes(bary, mesh.degree))
    tilt = slope @ slopes_of_coordinates(mesh) - sample(grad_u, "grad_u", X, width=X.shape[-1])
    return Errors(_norm(off**2, weights, size), _norm((tilt**2).sum(-1), weights, size))


def _norm(squares: Float[Array, "T q"], weights: Float[Array, " q"], size: Float[Array, " T"]) -> float:
    return float(np.sqrt(size @ (squares @ weights)))


def orders(found: Any, sizes: Any) -> list[float]:
    """log(e_i/e_{i+1}) / log(h_i/h_{i+1}): the order between one mesh and the next."""
    e, h = reals(found, "found"), reals(sizes, "sizes", shape=np.shape(found))
    return [float(order) for order in np.diff(np.log(e)) / np.diff(np.log(h))]
