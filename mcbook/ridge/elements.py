"""The reference simplex: what integrals over an element need, in closed form.

Problem    ∫ φ_i φ_j and ∫ ∇φ_i·∇φ_j over an interval (d = 1) or a triangle (d = 2) with straight sides
Closed     mean of Π λ_a^α_a over a simplex = d! Πα_a! / (d + |α|)!, λ its barycentric coordinates
Mass       |T| times a constant matrix
Stiffness  Σ_e c_e R_e over the element's edges e = (a, b):  c_e = -|T| ∇λ_a·∇λ_b  (half the cotangent of
           the angle that faces the edge; 1/h on an interval),
           R_e = mean of (∂_a - ∂_b)φ_i (∂_a - ∂_b)φ_j, constant: no quadrature anywhere
Loads      Gauss-Legendre; on triangles Dunavant's 12 points of degree 6, above that a conical product
References brenner2008 (elements), dunavant1985 (the 12 points)
Symbols    k basis functions on an element, in the order vertices, then edges (0,1), (0,2), (1,2)
"""

from functools import cache
from itertools import combinations, product
from math import comb, factorial
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import roots_jacobi

Array = Any


def edges(d: int) -> list[tuple[int, int]]:
    """The edges of a simplex with d + 1 vertices, as pairs (a, b), a < b."""
    return list(combinations(range(d + 1), 2))


def basis_size(d: int, degree: int) -> int:
    """How many basis functions an element has: d + 1, or (d + 1)(d + 2)/2."""
    return comb(d + degree, degree)


def shapes(bary: Float[Array, "q v"], degree: int) -> Float[Array, "q k"]:
    """φ_i at points given in barycentric coordinates: λ_a; or λ_a(2λ_a - 1), then 4λ_aλ_b."""
    if degree == 1:
        return bary
    middle = [4 * bary[:, a] * bary[:, b] for a, b in edges(bary.shape[1] - 1)]
    return np.column_stack([bary * (2 * bary - 1), *middle])


def shape_slopes(bary: Float[Array, "q v"], degree: int) -> Float[Array, "q k v"]:
    """∂φ_i/∂λ_a at the same points; ∇φ_i = Σ_a ∂φ_i/∂λ_a ∇λ_a."""
    q, v = bary.shape
    if degree == 1:
        return np.broadcast_to(np.eye(v), (q, v, v))
    out = np.zeros((q, basis_size(v - 1, 2), v))
    for a in range(v):
        out[:, a, a] = 4 * bary[:, a] - 1
    for i, (a, b) in enumerate(edges(v - 1), start=v):
        out[:, i, a], out[:, i, b] = 4 * bary[:, b], 4 * bary[:, a]
    return out


def mean_of_monomial(powers: tuple[int, ...]) -> float:
    """The mean of Π λ_a^powers[a] over the simplex with len(powers) vertices."""
    d = len(powers) - 1
    top = factorial(d) * np.prod([factorial(p) for p in powers])
    return float(top / factorial(d + sum(powers)))


@cache
def moments(d: int, order: int) -> Float[Array, "..."]:
    """The tensor of means of λ_a λ_b ... with `order` factors."""
    out = np.empty((d + 1,) * order)
    for index in product(range(d + 1), repeat=order):
        out[index] = mean_of_monomial(tuple(index.count(a) for a in range(d + 1)))
    return out


@cache
def forms(d: int) -> Float[Array, "k v v"]:
    """P2 as quadratic forms: φ_i = λᵀQ_iλ, with 1 = Σλ_a used to make λ_a(2λ_a - 1) homogeneous."""
    v = d + 1
    Q = np.zeros((basis_size(d, 2), v, v))
    for a in range(v):
        Q[a, a, :] -= 0.5
        Q[a, :, a] -= 0.5
        Q[a, a, a] += 2
    for i, (a, b) in enumerate(edges(d), start=v):
        Q[i, a, b] = Q[i, b, a] = 2
    return Q


@cache
def reference_mass(d: int, degree: int) -> Float[Array, "k k"]:
    """The mean of φ_i φ_j: an element's mass matrix is |T| times this."""
    if degree == 1:
        return moments(d, 2)
    return np.einsum("iab,jce,abce->ij", forms(d), forms(d), moments(d, 4))


@cache
def reference_couplings(d: int, degree: int) -> Float[Array, "e k k"]:
    """R_e: an element's stiffness matrix is Σ_e c_e R_e."""
    if degree == 1:
        slopes = np.eye(d + 1)[:, :, None]
        means = np.ones((1, 1))
    else:  # ∂φ_i/∂λ_a = 2 (Q_iλ)_a, linear in λ
        slopes, means = 2 * forms(d), moments(d, 2)
    out = []
    for a, b in edges(d):
        along = slopes[:, a] - slopes[:, b]
        out.append(along @ means @ along.T)
    return np.stack(out)


@cache
def reference_load(d: int, degree: int) -> Float[Array, " k"]:
    """The mean of φ_i: what a constant load puts on each node."""
    return reference_mass(d, degree).sum(1)


# The points (1 - 2s, s, s) and (r, s, 1 - r - s), up to permutation, and their weights: Dunavant, degree 6.
_DUNAVANT = (
    (0.249286745170910, 0.249286745170910, 0.116786275726379),
    (0.063089014491502, 0.063089014491502, 0.050844906370207),
    (0.053145049844817, 0.310352451033784, 0.082851075618374),
)


@cache
def quadrature(d: int, order: int) -> tuple[Float[Array, "q v"], Float[Array, " q"]]:
    """Points in barycentric coordinates and weights of sum 1, exact for polynomials up to degree `order`."""
    count = order // 2 + 1
    if d == 1:
        x, weights = np.polynomial.legendre.leggauss(count)
        return np.column_stack([(1 - x) / 2, (1 + x) / 2]), weights / 2
    if 4 < order <= 6:
        return _symmetric_rule()
    x, wx = roots_jacobi(count, 1, 0)  # the weight 1 - x is the triangle's shrinking width
    y, wy = np.polynomial.legendre.leggauss(count)
    s, t = np.meshgrid((1 + x) / 2, (1 + y) / 2, indexing="ij")
    points = np.column_stack([s.ravel(), ((1 - s) * t).ravel(), ((1 - s) * (1 - t)).ravel()])
    return points, np.outer(wx / 2, wy / 2).ravel()


def _symmetric_rule() -> tuple[np.ndarray, np.ndarray]:
    points, weights = [], []
    for r, s, weight in _DUNAVANT:
        around = {(r, s, 1 - r - s), (s, 1 - r - s, r), (1 - r - s, r, s)}
        around |= {(s, r, 1 - r - s), (r, 1 - r - s, s), (1 - r - s, s, r)} if r != s else set()
        points += sorted(around)
        weights += [weight] * len(around)
    total = np.array(weights)
    return np.array(points), total / total.sum()
