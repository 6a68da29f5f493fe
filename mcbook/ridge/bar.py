"""A bar on an elastic bedding: the spring energy with units.

Objective  J(u) = ½∫EA u'² + ½∫k u² - ∫q u - F₀u(0) - F_L u(L)     in joules
Equation   -(EA u')' + k u = q, axial force EA u'(x), stress E u'
Length     ℓ = √(EA/k), over which a load on one end fades;  an end force F moves a long bar by F/√(EA k)
Solver     P1 elements on n equal cells, `solve`
Symbols    EA in N, k in N/m², q in N/m, F in N, u in m
"""

from typing import Any, NamedTuple

import numpy as np

from mcbook.ridge._checks import positive, reals, whole
from mcbook.ridge.assembly import load
from mcbook.ridge.mesh import gradient, mesh_interval
from mcbook.ridge.solve import solve

ENDS = ("free", "held")


class Bar(NamedTuple):
    """Length in m, Young's modulus in Pa, cross-section in m², bedding modulus in N/m² (force/length²)."""

    length_m: float
    young_pa: float
    area_m2: float
    bedding_pa: float


class BarState(NamedTuple):
    """Displacements at the nodes; axial force and stress (tension is positive) at the cells' centres."""

    x_m: np.ndarray  # (n + 1,)
    u_m: np.ndarray  # (n + 1,)
    centre_m: np.ndarray  # (n,)
    force_n: np.ndarray  # (n,)
    stress_pa: np.ndarray  # (n,)
    energy_j: float
    resolved: bool  # False: the cells are longer than √(EA/k)


def decay_length(bar: Bar) -> float:
    """√(EA/k) in m."""
    young, area, bedding = (positive(v, n) for v, n in zip(bar[1:], bar._fields[1:], strict=True))
    return float(np.sqrt(young * area / bedding))


def solve_bar(
    bar: Bar,
    *,
    n: Any = 200,
    load_n_per_m: Any = 0.0,
    end_forces_n: Any = (0.0, 0.0),
    ends: Any = ("free", "free"),
) -> BarState:
    """The bar at rest under a load along it and forces on its ends, positive towards larger x.

    load_n_per_m  a number, nodal values (n + 1,), or a function X (m, 1) ↦ (m,), in N/m
    ends          "free" or "held" (u = 0), left and right; a force on a held end goes into its support
    Raises ValueError for quantities that are not positive, wrong shapes, NaN.
    """
    decay_length(bar)
    mesh = mesh_interval(whole(n, "n"), length=positive(bar.length_m, "length_m"))
    if set(ends) - set(ENDS) or len(ends) != 2:
        raise ValueError(f"ends must be two of {ENDS}, left and right; got {ends}.")
    if not callable(load_n_per_m):
        load_n_per_m = np.broadcast_to(reals(load_n_per_m, "load_n_per_m"), (n + 1,))
    b = load(mesh, load_n_per_m)
    b[mesh.boundary] += reals(end_forces_n, "end_forces_n", shape=(2,))
    EA = bar.young_pa * bar.area_m2
    held = mesh.boundary[[end == "held" for end in ends]]
    solution = solve(mesh, b, kappa=bar.bedding_pa, a=EA, fixed=held)
    u, strain = solution.w, gradient(mesh, solution.w)[:, 0]
    energy = float(u @ (solution.A @ u) / 2 - b @ u)
    x = mesh.nodes[:, 0]
    return BarState(x, u, (x[1:] + x[:-1]) / 2, EA * strain, bar.young_pa * strain, energy, solution.resolved)
