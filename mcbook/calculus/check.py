"""Is the claimed gradient right? `check_grad` asks a reference, and the function itself."""

from typing import Any, NamedTuple

import numpy as np

from mcbook.calculus.differences import EPS, Slope, slope_along
from mcbook.calculus.inputs import (
    Reals,
    ScalarFunction,
    as_gradient,
    as_variable,
    inner,
    unit_direction,
    value_at,
)

CEILING = 1e-4  # relative to ‖G‖: differences rougher than this cannot tell right from 0.1 % wrong
HINT = "mcbook.calculus.diagnose(f, G, X) looks for the mistake."


class GradReport(NamedTuple):
    """What a gradient was held against: relative mismatches, and the tolerances they stayed below.

    `reference` and `complex_step` are None where that comparison was not asked for.
    """

    differences: float
    tolerance: float
    directions: int
    reference: float | None
    reference_tolerance: float
    complex_step: float | None

    def __str__(self) -> str:
        parts = []
        if self.reference is not None:
            parts.append(f"reference ≤ {decade(self.reference_tolerance)}")
        parts.append(f"central differences in {self.directions} directions ≤ {decade(self.tolerance)}")
        if self.complex_step is not None:
            parts.append("complex step ≤ 1e-12")
        return "✓ gradient checked: " + ", ".join(parts)

    def __repr__(self) -> str:
        return str(self)


def check_grad(
    f: ScalarFunction,
    G: Any,
    X: Any,
    *,
    reference: Any = None,
    rng: np.random.Generator,
    directions: int = 3,
    rtol: float = 1e-8,
    reference_rtol: float = 1e-11,
    complex_step: bool = False,
) -> GradReport:
    """Holds G, the claimed gradient of the scalar function f at X, against df = ⟨G, dX⟩.

    G           array of the shape of X, or a callable X ↦ G
    reference   a gradient trusted more (array, or a callable such as `jax.grad(f)`), called R:
                ‖G - R‖ ≤ reference_rtol ‖R‖
    directions  how many random unit directions V; the direction of G itself, which sees a wrong factor at
                full strength, is added to them: |⟨G, V⟩ - slope| ≤ max(rtol ‖G‖, what is known of the slope)

    What is known of the slope is four times its own error estimate and the effect of rounding X; where that
    exceeds 1e-4 ‖G‖ the check refuses to judge. Set `complex_step` only where f is analytic as it is coded:
    `slogdet`, `abs` and `logaddexp` silently drop the imaginary part, so it is held against the differences.
    Raises AssertionError when G is wrong, and ValueError when nothing can be said: a wrong shape, NaN,
    float32, complex input, a stationary point, or values of f too rough to judge by.
    """
    X = as_variable(X)
    G = as_gradient(G, X)
    value_at(f, X)
    if directions < 1:
        raise ValueError(f"directions must be at least 1, got {directions}.")
    mismatch = None if reference is None else _relative_mismatch(G, as_gradient(reference, X, "reference"))
    size = float(np.linalg.norm(G))
    probes = [np.asarray(G / size)] if size > 0 else []
    probes += [unit_direction(rng, X) for _ in range(directions)]
    slopes = [slope_along(f, X, V, target=0.1 * rtol * size) for V in probes]
    claims = [inner(G, V) for V in probes]
    rounding = gradient_rounding(slopes, X)
    allowed = [max(rtol * size, 4 * s.error + rounding) for s in slopes]
    _judge(claims, slopes, allowed, size, mismatch, reference_rtol)
    _require_informative(slopes, max(allowed), rounding, size)
    step = _complex_step(f, G, X, probes, slopes, allowed) if complex_step else None
    worst = max(abs(c - s.value) for c, s in zip(claims, slopes, strict=True))
    return GradReport(worst / size, max(allowed) / size, directions, mismatch, reference_rtol, step)


def gradient_rounding(slopes: list[Slope], X: Reals) -> float:
    """How far rounding X moves the gradient itself: 16 eps (1 + ‖X‖) times the largest curvature seen."""
    bend = max((abs(s.curvature) for s in slopes if np.isfinite(s.curvature)), default=0.0)
    return 16 * EPS * (1 + float(np.linalg.norm(X))) * bend


def decade(x: float) -> str:
    """The next power of ten at or above x, as text: bounds print alike on every machine."""
    return f"1e{int(np.ceil(np.log10(x) - 1e-9)):d}" if x > 0 else "0"


def _relative_mismatch(G: Reals, R: Reals) -> float:
    gap, size = float(np.linalg.norm(G - R)), float(np.linalg.norm(R))
    return gap / size if size > 0 else (0.0 if gap == 0 else np.inf)


def _judge(
    claims: list[float],
    slopes: list[Slope],
    allowed: list[float],
    size: float,
    mismatch: float | None,
    reference_rtol: float,
) -> None:
    """Raises AssertionError where a slope or the reference contradicts the claim."""
    wrong = [
        f"  ⟨G, V⟩ = {c:+.6e}, slope of f {s.value:+.6e} ± {s.error:.0e}"
        for c, s, tolerance in zip(claims, slopes, allowed, strict=True)
        if abs(c - s.value) > tolerance
    ]
    off_reference = mismatch is not None and not mismatch <= reference_rtol
    if not wrong and not off_reference:
        return
    lines = ["the gradient is wrong:"] if wrong else ["the gradient is not the reference's:"]
    if mismatch is not None:
        verdict = (
            f"differs by {mismatch:.1e}" if off_reference else "agrees (so f and the reference disagree)"
        )
        lines.append(
            f"  G against the reference {verdict}, relative to its norm; allowed {reference_rtol:.0e}"
        )
    if off_reference and not wrong:
        lines.append(
            "  (the central differences do not contradict G: is the reference of this f, in float64?)"
        )
    if wrong:
        lines.append(f"  {len(wrong)} of {len(claims)} directions contradict it, ‖G‖ = {size:.3e}:")
        lines.extend(wrong[:3])
    raise AssertionError("\n".join([*lines, HINT]))


def _require_informative(slopes: list[Slope], tolerance: float, rounding: float, size: float) -> None:
    """Raises ValueError where agreement means nothing: a stationary point, or differences too rough."""
    if tolerance <= CEILING * size and size > 0:
        return
    if size == 0 or rounding > CEILING * size:
        raise ValueError(
            f"X is a stationary point (‖G‖ = {size:.1e}, lost in the rounding of X), where wrong gradients "
            "vanish too; check at another point."
        )
    roughest, noise = max(s.error for s in slopes), max(s.noise for s in slopes)
    raise ValueError(
        f"too rough to judge: the slopes are known to {roughest:.0e} only, with ‖G‖ = {size:.1e} and values "
        f"of f that carry errors of {noise:.0e}; drop a large constant from f, keep away from kinks, "
        "stationary points and the edge of the domain, or compute f more accurately."
    )


def _complex_step(
    f: ScalarFunction,
    G: Reals,
    X: Reals,
    probes: list[Reals],
    slopes: list[Slope],
    allowed: list[float],
) -> float:
    """The largest mismatch with Im f(X + ihV)/h, relative to ‖G‖. Raises ValueError if f is not analytic."""
    h, size, worst = 1e-30, float(np.linalg.norm(G)), 0.0
    for V, slope, tolerance in zip(probes, slopes, allowed, strict=True):
        value = np.asarray(f(X + 1j * h * V))
        derivative = float(value.imag) / h
        if not np.iscomplexobj(value) or abs(derivative - slope.value) > tolerance:
            raise ValueError(
                "the complex step contradicts the central differences: f is not analytic as it is coded "
                "(slogdet, abs and logaddexp drop the imaginary part); leave complex_step off."
            )
        worst = max(worst, abs(derivative - inner(G, V)) / size)
    if worst > 1e-12:
        raise AssertionError(f"the gradient is wrong: off the complex step by {worst:.1e} of ‖G‖.\n{HINT}")
    return worst
