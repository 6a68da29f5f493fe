"""The field of least energy, and how it answers to the material and to the load.

Problem    min over w of ½wᵀAw - bᵀw, w held at some nodes;  A = ∫ a∇φ_i·∇φ_j + kappa φ_i φ_j
Solution   A_FF w_F = b_F - A_FD w_D  (F free nodes, D held ones)
Solver     a sparse factorisation for up to `DIRECT` unknowns, above that multigrid.conjugate_gradients
Adjoint    for a functional g(w) with w_bar = ∂g/∂w:  A_FF p_F = w_bar_F, p_D = 0;  with dA w + A dw = db,
           dg = pᵀdb - pᵀdA w + (w_bar - A p)_Dᵀ dw_D: one more solve, whatever the number of parameters
References cea1986 (the adjoint), brenner2008
Symbols    a, kappa numbers or one per cell (T,); w, b, p (n,)
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.sparse.csgraph import connected_components

from mcbook.ridge._checks import coefficient, node_indices, reals
from mcbook.ridge.assembly import operator
from mcbook.ridge.elements import reference_couplings, reference_mass
from mcbook.ridge.mesh import Mesh, cell_diameters, geometry
from mcbook.ridge.multigrid import Solved, conjugate_gradients, direct, hierarchy

Array = Any
DIRECT = 2500
METHODS = ("auto", "direct", "multigrid")
Inverse = Callable[[np.ndarray], Solved]


class Solution(NamedTuple):
    """The field, how well the equations are solved, and whether the mesh resolves the length √(a/kappa).

    `h_over_length` is the largest distance of neighbouring nodes over that length; above 1 the field's
    decay is not resolved and `resolved` is False: refine the mesh.
    """

    w: np.ndarray  # (n,)
    residual: float  # ‖b - A w‖ / ‖b‖ over the free nodes (with what the held ones pull)
    iterations: int  # 0 for a direct solve
    converged: bool
    h_over_length: float
    resolved: bool
    kappa: np.ndarray  # () or (T,)
    a: np.ndarray  # () or (T,)
    fixed: np.ndarray  # (nd,)
    lumped: bool
    A: Any  # sparse (n, n), all nodes
    inverse: Inverse  # A_FF⁻¹, factorised


class SolveVjp(NamedTuple):
    """The gradient of a functional: shapes of kappa, of a, (n,) for the load b, (nd,) for the held values.

    `converged` says whether the adjoint's solve did, as in `Solution`.
    """

    kappa_bar: np.ndarray
    a_bar: np.ndarray
    b_bar: np.ndarray
    values_bar: np.ndarray
    converged: bool


def solve(
    mesh: Mesh,
    b: Any,
    *,
    kappa: Any,
    a: Any = 1.0,
    fixed: Any = (),
    values: Any = 0.0,
    lumped: bool = False,
    method: str = "auto",
    rtol: float = 1e-12,
) -> Solution:
    """The field with -∇·(a∇u) + kappa u = f, b = `load`(mesh, f) (n,).

    fixed   the nodes that are held (Dirichlet; `mesh.boundary` for all of the boundary), at `values`,
            a number or one per held node; elsewhere the boundary is natural, a ∂u/∂n = 0
    lumped  put the mass on the diagonal
    method  "direct", "multigrid" (to `rtol`), or "auto": direct for few unknowns, and where multigrid
            does not converge
    Units: [kappa u] = [b / size of a cell], [√(a/kappa)] = [nodes].
    Raises ValueError for NaN, shapes that do not fit, a ≤ 0, kappa < 0, and a singular problem: kappa = 0 on
    a part of the mesh that is held nowhere.
    """
    n = len(mesh.nodes)
    b = reals(b, "b", shape=(n,))
    fixed = node_indices(fixed, n, "fixed")
    kappa = coefficient(kappa, len(mesh.cells), "kappa", zero=True)
    a = coefficient(a, len(mesh.cells), "a", zero=False)
    if method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}, got {method!r}.")
    A = operator(mesh, kappa=kappa, a=a, lumped=lumped)
    _anchored(mesh, A, kappa, fixed)
    w = np.zeros(n)
    w[fixed] = _held(values, len(fixed))
    free = np.ones(n, dtype=bool)
    free[fixed] = False
    pull = (b - A @ w)[free] if w.any() else b[free]
    inverse = _inverse(A if free.all() else A[free][:, free], mesh.nodes[free], method, rtol)
    w[free], iterations, converged = inverse(pull)
    residual = np.linalg.norm((b - A @ w)[free]) / (np.linalg.norm(pull) or 1.0)
    reach = float((cell_diameters(mesh) / mesh.degree * np.sqrt(kappa / a)).max())
    return Solution(
        w, float(residual), iterations, converged, reach, reach <= 1, kappa, a, fixed, lumped, A, inverse
    )


def vjp_solve(mesh: Mesh, solution: Solution, w_bar: Any) -> SolveVjp:
    """The gradient of a functional g(w) with respect to everything that `solve` was given.

    w_bar (n,) is ∂g/∂w at solution.w.  One linear solve in all.  For a load given by nodal values,
    b = M f, the gradient in f is M @ b_bar.  Raises ValueError for a wrong shape or NaN.
    """
    w_bar = reals(w_bar, "w_bar", shape=solution.w.shape)
    free = np.ones(len(w_bar), dtype=bool)
    free[solution.fixed] = False
    p = np.zeros(len(w_bar))
    p[free], _, converged = solution.inverse(w_bar[free])
    kappa_bar, a_bar = _grad_cells(mesh, solution, p)
    return SolveVjp(
        kappa_bar if solution.kappa.ndim else kappa_bar.sum(),
        a_bar if solution.a.ndim else a_bar.sum(),
        p,
        (w_bar - solution.A @ p)[solution.fixed],
        converged,
    )


def _grad_cells(
    mesh: Mesh, solution: Solution, p: Float[Array, " n"]
) -> tuple[Float[Array, " T"], Float[Array, " T"]]:
    """-pᵀ(∂A/∂kappa_T)w and -pᵀ(∂A/∂a_T)w, cell by cell."""
    d, (size, coupling) = mesh.nodes.shape[1], geometry(mesh)
    P, W = p[mesh.cells], solution.w[mesh.cells]
    reference = reference_mass(d, mesh.degree)
    if solution.lumped:
        reference = np.diag(reference.sum(1))
    stretch = np.einsum("ti,eij,tj->te", P, reference_couplings(d, mesh.degree), W, optimize=True)
    return -size * ((P @ reference) * W).sum(1), -(coupling * stretch).sum(1)


def _inverse(A: Any, X: np.ndarray, method: str, rtol: float) -> Inverse:
    """b ↦ A⁻¹b for a positive definite A between nodes at X."""
    if not A.shape[0]:
        return lambda b: Solved(b, 0, True)
    few = A.shape[0] <= DIRECT or X.shape[1] == 1
    if method == "direct" or (method == "auto" and few):
        factor = direct(A)
        return lambda b: Solved(factor(b), 0, True)
    levels = hierarchy(A, X)
    fallback: list[Callable] = []

    def iterate(b: np.ndarray) -> Solved:
        found = conjugate_gradients(A, b, levels, rtol=rtol, most=200)
        if found.converged or method == "multigrid":
            return found
        if not fallback:
            fallback.append(direct(A))
        return Solved(fallback[0](b), found.iterations, True)

    return iterate


def _held(values: Any, count: int) -> np.ndarray:
    values = reals(values, "values")
    if values.shape not in ((), (count,)):
        raise ValueError(f"values must be a number or ({count},), one per held node; got {values.shape}.")
    return values


def _anchored(mesh: Mesh, A: Any, kappa: np.ndarray, fixed: np.ndarray) -> None:
    """Raises ValueError where a part of the mesh has neither a spring nor a held node."""
    if (kappa > 0).all() or (kappa.ndim == 0 and kappa > 0):
        return
    parts, label = connected_components(A, directed=False)
    springs = np.zeros(parts, dtype=bool)
    springs[label[fixed]] = True
    springs[label[mesh.cells[np.broadcast_to(kappa > 0, len(mesh.cells)), 0]]] = True
    if not springs.all():
        raise ValueError(
            "singular: kappa is 0 and no node is held"
            + (" on a part of the mesh" if parts > 1 else "")
            + ", so "
            "adding a constant to u costs nothing. Give kappa > 0, or hold a node with `fixed`."
        )
