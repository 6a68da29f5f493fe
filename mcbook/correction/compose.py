"""The sum: a cheap energy and a learnt correction, with forces and Hessians.

Problem    E_comp(X) = E_base(X) + f̂(X) for any base and any regressor
Rule       the differential of a sum is the sum of the differentials, and so on:
           ∇E_comp = ∇E_base + ∇f̂,   F_comp = F_base - ∇f̂,   ∇²E_comp = ∇²E_base + ∇²f̂
References ramakrishnan2015, bogojeski2020
Symbols    X (n, a, 3) positions in Å; energies in kcal/mol

Both parts must speak of the same geometries, in the same units.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from mcbook.correction import _checks, process
from mcbook.correction.units import BOHR_ANGSTROM, GRADIENT_KCAL, HARTREE_KCAL, HESSIAN_KCAL

Array = Any
Function = Callable[[Any], Any]
SAME_ANGSTROM = 1e-9


class Surface(NamedTuple):
    """A potential energy surface: three functions of positions (n, a, 3) in Å.

    energy (n,) in kcal/mol; gradient (n, a, 3) in kcal/mol/Å; hessian (n, a, 3, a, 3) in kcal/mol/Å², or None
    where nobody wrote it.
    """

    energy: Function
    gradient: Function
    hessian: Function | None = None


def correction(model: process.Model) -> Surface:
    """f̂ as a surface."""
    return Surface(
        partial(process.energy, model), partial(process.gradient, model), partial(process.hessian, model)
    )


def compose(base: Surface, learnt: Surface | process.Model) -> Surface:
    """E_base + f̂, term by term; without a Hessian if one of the two has none.

    learnt: a `Model`, or any surface of somebody else's making.
    """
    f = correction(learnt) if isinstance(learnt, process.Model) else learnt

    def added(what: str, first: Function, second: Function) -> Function:
        return lambda X: _sum(first(X), second(X), what)

    both = None
    if base.hessian is not None and f.hessian is not None:
        both = added("hessian", base.hessian, f.hessian)
    energy = added("energy", base.energy, f.energy)
    return Surface(energy, added("gradient", base.gradient, f.gradient), both)


def forces(surface: Surface, positions_angstrom: Any) -> np.ndarray:
    """F = -∇E (n, a, 3) in kcal/mol/Å."""
    return -np.asarray(surface.gradient(positions_angstrom))


def tabulated(
    positions_angstrom: Any, *, energy_kcal: Any, gradient_kcal_angstrom: Any, hessian: Any = None
) -> Surface:
    """A base that was computed beforehand, at these geometries and no others.

    Asked elsewhere it raises ValueError: a cheap theory is not interpolated, it is computed.
    """
    R = _checks.frames(positions_angstrom)
    E = _checks.energies(energy_kcal, len(R))
    G = _checks.gradients(gradient_kcal_angstrom, R.shape)
    H = None if hessian is None else _checks.gradients(hessian, (*R.shape, *R.shape[1:]), "hessian")

    def look_up(values: np.ndarray, X: Any) -> np.ndarray:
        return values[_rows(R, _checks.frames(X, a=R.shape[1]))]

    return Surface(partial(look_up, E), partial(look_up, G), None if H is None else partial(look_up, H))


def from_hartree(energy: Any = None, gradient: Any = None, hessian: Any = None) -> tuple[Any, Any, Any]:
    """Hartree, Hartree/bohr, Hartree/bohr² to kcal/mol, kcal/mol/Å, kcal/mol/Å²; None stays None."""
    factors = (HARTREE_KCAL, GRADIENT_KCAL, HESSIAN_KCAL)
    values = (energy, gradient, hessian)
    e, g, h = (None if v is None else np.asarray(v) * f for v, f in zip(values, factors, strict=True))
    return e, g, h


def surface_from_hartree(
    energy_and_gradient: Callable[[Any], tuple[Any, Any]], hessian: Callable[[Any], Any] | None = None
) -> Surface:
    """A surface from a quantum chemistry program: one geometry at a time, bohr in, Hartree out.

    energy_and_gradient: positions (a, 3) in bohr to (Hartree, Hartree/bohr); hessian likewise.
    """

    def each(call: Callable[[Any], Any], factor: float, X: Any) -> np.ndarray:
        X = _checks.frames(X)
        return factor * np.array([call(x / BOHR_ANGSTROM) for x in X])

    return Surface(
        partial(each, lambda x: energy_and_gradient(x)[0], HARTREE_KCAL),
        partial(each, lambda x: energy_and_gradient(x)[1], GRADIENT_KCAL),
        None if hessian is None else partial(each, hessian, HESSIAN_KCAL),
    )


def offset_of_atoms(symbols: Any, base: dict[str, float], target: dict[str, float]) -> float:
    """The constant between two levels from their free atoms: Σ (target - base), in the atoms' unit.

    With it the correction is to the *atomisation* energy, and one model may serve several molecules.
    Raises ValueError for an element that a level lacks.
    """
    missing = sorted({s for s in symbols if s not in base or s not in target})
    if missing:
        raise ValueError(f"no energy of the free atom {missing[0]} at both levels; add it to both tables.")
    return float(sum(target[s] - base[s] for s in symbols))


def _sum(base: Any, correction: Any, what: str) -> np.ndarray:
    base, correction = np.asarray(base), np.asarray(correction)
    if base.shape != correction.shape:
        raise ValueError(
            f"the base's {what} has shape {base.shape}, the correction's {correction.shape}: they must agree."
        )
    return base + correction


def _rows(R: np.ndarray, X: np.ndarray) -> np.ndarray:
    """Where each X stands in the table R."""
    gap = np.abs(X[:, None] - R[None]).max(axis=(2, 3))
    rows = gap.argmin(1)
    far = gap[np.arange(len(X)), rows] > SAME_ANGSTROM
    if far.any():
        raise ValueError(
            f"geometry {int(np.argmax(far))} is not in the base's table: compute it there first."
        )
    return rows
