"""Array-valued functions: Jacobian-vector products and their transposes, checked by random probes.

Identity   ⟨y_bar, J x_dot⟩ = ⟨Jᵀ y_bar, x_dot⟩ for every cotangent y_bar and tangent x_dot
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mcbook.calculus.check import HINT, check_grad, decade
from mcbook.calculus.differences import slope_along
from mcbook.calculus.inputs import Reals, as_variable, inner, require_finite, unit_direction

Product = Callable[[Any, Any], Any]


class ProductReport(NamedTuple):
    """A checked vector-Jacobian ("vjp") or Jacobian-vector ("jvp") product, with the bound it was held to."""

    kind: str
    probes: int
    tolerance: float
    reference: float | None

    def __str__(self) -> str:
        against = "" if self.reference is None else "reference ≤ 1e-11, "
        return f"✓ {self.kind} checked: {against}{self.probes} random probes ≤ {decade(self.tolerance)}"

    def __repr__(self) -> str:
        return str(self)


def check_vjp(
    f: Callable[[Any], Any],
    vjp: Product,
    x: Any,
    *,
    reference: Product | None = None,
    rng: np.random.Generator,
    probes: int = 3,
) -> ProductReport:
    """Holds vjp(x, y_bar) = Jᵀ y_bar against the array-valued f: it is the gradient of x ↦ ⟨y_bar, f(x)⟩.

    y_bar has the shape of f(x), the product that of x; `reference` is another vjp, as (x, y_bar) ↦ x_bar.
    Raises AssertionError when the product is wrong, ValueError where `check_grad` refuses to judge.
    """
    x = as_variable(x)
    y = _values(f, x)
    reports = []
    for _ in range(probes):
        y_bar = unit_direction(rng, y)
        trusted = None if reference is None else np.asarray(reference(x.copy(), y_bar.copy()))
        claimed = np.asarray(vjp(x.copy(), y_bar.copy()))
        reports.append(check_grad(_paired(f, y_bar), claimed, x, reference=trusted, rng=rng, directions=2))
    mismatches = [r.reference for r in reports if r.reference is not None]
    return ProductReport("vjp", probes, max(r.tolerance for r in reports), max(mismatches, default=None))


def check_jvp(
    f: Callable[[Any], Any],
    jvp: Product,
    x: Any,
    *,
    reference: Product | None = None,
    rng: np.random.Generator,
    probes: int = 3,
) -> ProductReport:
    """Holds jvp(x, x_dot) = J x_dot, of the shape of f(x), against differences of ⟨y_bar, f⟩ along x_dot.

    Each tangent is met with y_bar = the claimed product itself and with a random one.
    Raises AssertionError when the product is wrong, ValueError for a wrong shape or where J x_dot vanishes.
    """
    x = as_variable(x)
    y = _values(f, x)
    tolerances, mismatches = [], []
    for _ in range(probes):
        x_dot = unit_direction(rng, x)
        y_dot = _product(jvp(x.copy(), x_dot.copy()), y, "jvp")
        size = float(np.linalg.norm(y_dot))
        if reference is not None:
            trusted = _product(reference(x.copy(), x_dot.copy()), y, "reference")
            mismatches.append(
                float(np.linalg.norm(y_dot - trusted)) / max(float(np.linalg.norm(trusted)), 1e-300)
            )
        for y_bar in (np.asarray(y_dot / size) if size else unit_direction(rng, y), unit_direction(rng, y)):
            slope = slope_along(_paired(f, y_bar), x, x_dot)
            tolerances.append(max(1e-8 * size, 4 * slope.error))
            if abs(slope.value - inner(y_bar, y_dot)) > tolerances[-1] or max([0.0, *mismatches]) > 1e-11:
                raise AssertionError(
                    f"the jvp is wrong: ⟨y_bar, jvp⟩ = {inner(y_bar, y_dot):+.6e}, differences give "
                    f"{slope.value:+.6e} ± {slope.error:.0e}; mismatch with the reference "
                    f"{max([0.0, *mismatches]):.0e}.\n{HINT}"
                )
        if not tolerances[-1] <= 1e-4 * size:
            raise ValueError(
                f"too rough to judge: ‖jvp‖ = {size:.1e}, differences know {tolerances[-1]:.0e} only."
            )
    worst = max(tolerances) / size
    return ProductReport("jvp", probes, worst, max(mismatches, default=None))


def _paired(f: Callable[[Any], Any], y_bar: Reals) -> Callable[[Any], float]:
    """The scalar function x ↦ ⟨y_bar, f(x)⟩."""
    return lambda x: inner(y_bar, np.asarray(f(x), dtype=float))


def _values(f: Callable[[Any], Any], x: Reals) -> Reals:
    y = np.asarray(f(x.copy()))
    if y.dtype != np.float64:
        raise ValueError(f"f must compute in float64, got {y.dtype}; with JAX switch on jax_enable_x64.")
    return require_finite(y, "f(x)")


def _product(y_dot: Any, y: Reals, name: str) -> Reals:
    y_dot = np.asarray(y_dot, dtype=float)
    if y_dot.shape != y.shape:
        raise ValueError(f"a {name} has the shape of f(x), {y.shape}, but got {y_dot.shape}.")
    return require_finite(y_dot, name)
