"""Stiffness, mass and load, assembled for all cells at once.

Problem    a(u, v) = ∫ a ∇u·∇v + kappa u v,  ℓ(v) = ∫ f v,  in the basis φ_i of the nodes
Matrices   K_ij = ∫ a ∇φ_i·∇φ_j,  M_ij = ∫ kappa φ_i φ_j,  b_i = ∫ f φ_i
Assembly   cell by cell they are  Σ_e a c_e R_e + kappa |T| M̂ :  one product of (T, e + 1) coefficients with
           (e + 1, k²) constants, then one scatter into a sparse matrix
Symbols    a, kappa numbers or one per cell (T,); K, M, A = K + M sparse (n, n)
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float

from mcbook.ridge._checks import coefficient, finite, reals, whole
from mcbook.ridge.elements import quadrature, reference_couplings, reference_mass, shapes
from mcbook.ridge.mesh import Mesh, corners, geometry

Array = Any


def stiffness(mesh: Mesh, a: Any = 1.0) -> sp.csr_array:
    """K (n, n), ∫ a ∇φ_i·∇φ_j; a > 0 a number or one per cell (T,).  Raises ValueError otherwise."""
    a = coefficient(a, len(mesh.cells), "a", zero=False)
    d = mesh.nodes.shape[1]
    R = reference_couplings(d, mesh.degree)
    return scatter(mesh, (geometry(mesh).coupling * a[..., None]) @ R.reshape(len(R), -1))


def mass(mesh: Mesh, kappa: Any = 1.0) -> sp.csr_array:
    """M (n, n), ∫ kappa φ_i φ_j; kappa ≥ 0 a number or one per cell (T,).  Raises ValueError otherwise."""
    kappa = coefficient(kappa, len(mesh.cells), "kappa", zero=True)
    reference = reference_mass(mesh.nodes.shape[1], mesh.degree)
    return scatter(mesh, np.outer(geometry(mesh).size * kappa, reference))


def lumped_mass(mesh: Mesh, kappa: Any = 1.0) -> sp.csr_array:
    """The diagonal matrix with M's row sums, ∫ kappa φ_i.

    Raises ValueError for P2 triangles, whose row sums vanish at the corners.
    """
    kappa = coefficient(kappa, len(mesh.cells), "kappa", zero=True)
    share = reference_mass(mesh.nodes.shape[1], mesh.degree).sum(1)
    if share.min() < 1e-12:
        raise ValueError("P2 triangles cannot be lumped (∫φ is 0 at a corner); use mass, or degree=1.")
    weights = np.outer(geometry(mesh).size * kappa, share)
    return sp.diags_array(gather(mesh, weights), format="csr")


def operator(mesh: Mesh, *, kappa: Any, a: Any = 1.0, lumped: bool = False) -> sp.csr_array:
    """A = K + M (n, n), assembled in one go; the arguments of `stiffness` and `mass`."""
    cells, d = len(mesh.cells), mesh.nodes.shape[1]
    kappa, a = coefficient(kappa, cells, "kappa", zero=True), coefficient(a, cells, "a", zero=False)
    if lumped:
        return (stiffness(mesh, a) + lumped_mass(mesh, kappa)).tocsr()
    size, coupling = geometry(mesh)
    factors = np.column_stack([coupling * a[..., None], size * kappa])
    constants = np.concatenate([reference_couplings(d, mesh.degree), reference_mass(d, mesh.degree)[None]])
    return scatter(mesh, factors @ constants.reshape(len(constants), -1))


def scatter(mesh: Mesh, blocks: Float[Array, "T kk"]) -> sp.csr_array:
    """Adds the cells' matrices (T, k²) up into (n, n)."""
    n, k = len(mesh.nodes), mesh.cells.shape[1]
    cells = mesh.cells.astype(np.int32)
    rows, columns = np.repeat(cells, k, axis=1), np.tile(cells, k)
    return sp.coo_array((blocks.ravel(), (rows.ravel(), columns.ravel())), shape=(n, n)).tocsr()


def gather(mesh: Mesh, blocks: Float[Array, "T k"]) -> Float[Array, " n"]:
    """Adds the cells' vectors (T, k) up into (n,)."""
    return np.bincount(mesh.cells.ravel(), blocks.ravel(), minlength=len(mesh.nodes))


def load(mesh: Mesh, f: Any, *, order: Any = 6) -> Float[Array, " n"]:
    """b (n,), ∫ f φ_i: f a function X (m, d) ↦ (m,), by quadrature of that order, or nodal values (n,).

    Nodal values are interpolated, b = M f.  Raises ValueError for NaN and for a wrong shape.
    """
    if not callable(f):
        return mass(mesh) @ reals(f, "f", shape=(len(mesh.nodes),))
    bary, weights = quadrature(mesh.nodes.shape[1], whole(order, "order"))
    F = sample(f, "f", quadrature_points(mesh, bary))  # (T, q)
    values = F @ (weights[:, None] * shapes(bary, mesh.degree))
    return gather(mesh, values * geometry(mesh).size[:, None])


def quadrature_points(mesh: Mesh, bary: Float[Array, "q v"]) -> Float[Array, "T q d"]:
    """The points with those barycentric coordinates in every cell; each coordinate is contiguous."""
    P = corners(mesh)  # (v, T, d)
    return np.moveaxis(np.stack([P[..., i].T @ bary.T for i in range(P.shape[-1])]), 0, -1)


def sample(f: Callable, name: str, X: Float[Array, "T q d"], *, width: Any = None) -> np.ndarray:
    """f at the points: (T, q), or (T, q, width).  Raises ValueError for a wrong shape or NaN."""
    T, q, d = X.shape
    tail = () if width is None else (width,)
    flat = np.moveaxis(X, -1, 0).reshape(d, T * q).T
    out = np.asarray(f(flat), dtype=float)
    if out.shape != (T * q, *tail):
        raise ValueError(
            f"{name} must take points (m, {d}) and return {('m', *tail)}; at {flat.shape} it returned "
            f"{out.shape}. Write it with X[:, 0]{', X[:, 1]' if d == 2 else ''}."
        )
    return finite(out, f"{name} at the quadrature points").reshape(T, q, *tail)
