"""Gradients that are not the slopes of their energies, found before anything is learnt.

Problem    a sign, a unit or a turned frame in the training data makes a model that is quietly wrong
Rule       between near geometries E_j - E_i = ½ (g_i + g_j)·(q_j - q_i) up to third order in the step; the
           slope of the left side against the right one must be 1.  Other factors have names
Frame      the gradient of a function of distances has no net force and no torque; what is left of it outside
           the rows of ∂q/∂X belongs to another frame, or another order of atoms
Symbols    q (n, p), J (n, p, 3a), V (n, 3a, s), y (n,), G (n, 3a) as in `features`
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from mcbook.correction.units import BOHR_ANGSTROM, GRADIENT_KCAL, HARTREE_KCAL

Array = Any
FOREIGN = 1e-2  # of a gradient's length may lie outside the rows of J; a DFT grid makes 1e-6
CLEAR, NEAR, ENOUGH = 0.9, 0.15, 8  # a factor is believed when the slopes explain that share of the steps'
# variance, when it lies that close to one with a name, and from so many geometries on
FACTORS = {
    "1": 1.0,
    "bohr instead of Å in the gradients (divide them by 0.529177)": 1 / BOHR_ANGSTROM,
    "Å taken for bohr in the gradients (multiply them by 0.529177)": BOHR_ANGSTROM,
    "gradients in Hartree/Å (multiply them by 627.51)": HARTREE_KCAL,
    "gradients in Hartree/bohr (multiply them by 1185.82)": GRADIENT_KCAL,
    "energies in Hartree (multiply them by 627.51)": 1 / HARTREE_KCAL,
}


def slope_ratio(q: Float[Array, "n p"], g: Float[Array, "n p"], y: Float[Array, " n"]) -> tuple[float, float]:
    """The factor t in E_j - E_i = t ½ (g_i + g_j)·(q_j - q_i), and how much of the variance it explains.

    Each geometry and its nearest one, in q; g = ∂E/∂q.
    """
    gap = ((q[:, None] - q[None]) ** 2).sum(-1)
    np.fill_diagonal(gap, np.inf)
    i, j = np.arange(len(q)), gap.argmin(1)
    rise = 0.5 * ((g[i] + g[j]) * (q[j] - q[i])).sum(1)
    step = y[j] - y[i]
    t = float(step @ rise / (rise @ rise)) if rise.any() else 0.0
    left = float(((step - t * rise) ** 2).sum() / (step @ step)) if step.any() else 1.0
    return t, 1 - left


def refuse_slips(
    q: Float[Array, "n p"],
    J: Float[Array, "n p c"],
    V: Float[Array, "n c s"],
    y: Float[Array, " n"],
    G: Float[Array, "n c"],
) -> None:
    """Raises ValueError naming the slip where gradients G cannot be the slopes of the energies y."""
    inside = np.einsum("ncs,nds,nd->nc", V, V, G, optimize=True)
    foreign = np.linalg.norm(G - inside) / max(np.linalg.norm(G), np.finfo(float).tiny)
    if foreign > FOREIGN:
        raise ValueError(
            f"{foreign:.0%} of the gradients is net force or torque: positions and gradients are not in one "
            "frame, or their atoms not in one order."
        )
    g = np.einsum("ncp,nc->np", np.linalg.pinv(J), G)
    t, explained = slope_ratio(q, g, y)
    if len(q) < ENOUGH or explained < CLEAR:
        return
    name = min(FACTORS, key=lambda name: abs(np.log(abs(t) / FACTORS[name])))
    if t < 0 or (name != "1" and abs(np.log(t / FACTORS[name])) < NEAR):
        found = "forces instead of gradients? turn their sign" if t < 0 else name
        raise ValueError(
            f"the energies rise {t:.4g} times as fast as the gradients say, expected 1 (kcal/mol and "
            f"kcal/mol/Å): {found}."
        )
