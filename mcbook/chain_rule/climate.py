"""The Earth comes to rest: an equation that defines a state, and its adjoint.

Problem    bands of latitude with temperatures T (n,), °C: what comes in of the sun, goes out as heat, and is
           carried between neighbours; how does the mean temperature answer to whitening one band by p_i?
Equation   F(T, p) = Q s (a(T) - p) - (A + B T) + D ∇·∇T = 0,  a → what is absorbed, less on ice
Objective  m(T) = ⟨w, T⟩, w → shares of the Earth's area
Gradient   F_T dT = Q s ∘ dp, so dm = ⟨Q s ∘ lam, dp⟩ with F_Tᵀ lam = w   derived: book/grammar/chain_rule
Solver     Newton, T ← T - F_T⁻¹ F
Reference  north1981: the constants.  Its ice begins at -10 °C with a jump; here it comes within some degrees,
           so that there is a derivative

Symbols    latitude_deg, share → w, sun → Q s(x) in W/m², x → the sine of latitude
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mcbook._numbers import reals

Array = Any
A, B, D = 203.3, 2.09, 0.649  # W/m², W/m²/°C, W/m²/°C
SUN, TILT = 335.0, -0.482  # Q in W/m²; how it falls off towards the poles, times P₂(x)
OPEN, OPEN_2, ICE = 0.697, -0.0779, 0.38  # what is not reflected: without ice (and its P₂), with ice
ICE_AT, ICE_WIDTH = -10.0, 3.0  # °C; the width is ours


class Earth(NamedTuple):
    """Bands from pole to pole: middle in degrees, share of the area, sun (W/m²), open coalbedo, transport."""

    latitude_deg: Float[Array, " n"]
    share: Float[Array, " n"]
    sun: Float[Array, " n"]
    open: Float[Array, " n"]
    transport: Float[Array, "n n"]


class Rest(NamedTuple):
    """Temperatures at rest, the Jacobian F_T there, Newton's steps, and whether |F| is down to 1e-10 W/m²."""

    T: Float[Array, " n"]
    F_T: Float[Array, "n n"]
    steps: int
    converged: bool


def earth(bands: int = 36) -> Earth:
    """Bands of equal width in latitude; their areas differ, and so the transport is not symmetric.

    Raises ValueError for fewer than three bands.
    """
    if bands < 3:
        raise ValueError(f"earth expects at least three bands, got {bands}.")
    edges = np.linspace(-np.pi / 2, np.pi / 2, bands + 1)
    share = np.diff(np.sin(edges)) / 2
    x = (np.sin(edges[1:]) + np.sin(edges[:-1])) / 2
    P_2 = (3 * x**2 - 1) / 2
    gap = np.diff(np.eye(bands), axis=0) / (edges[1] - edges[0])  # differences of neighbours
    transport = -D * (gap.T * np.cos(edges[1:-1])) @ gap * (edges[1] - edges[0])
    middle = np.degrees(edges[1:] + edges[:-1]) / 2
    # what flows is divided by the band's own area: that is where the symmetry goes
    return Earth(middle, share, SUN * (1 + TILT * P_2), OPEN + OPEN_2 * P_2, transport / (2 * share[:, None]))


def absorbed(T: Float[Array, " n"], at: Earth) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """The share a(T) of the sun that is not reflected, and its derivative by T (per °C)."""
    melted = 1 / (1 + jnp.exp(-(T - ICE_AT) / ICE_WIDTH))
    span = at.open - ICE
    return ICE + span * melted, span * melted * (1 - melted) / ICE_WIDTH


def residual(T: Float[Array, " n"], p: Float[Array, " n"], at: Earth) -> Float[Array, " n"]:
    """F(T, p) in W/m²: what heats each band; zero at rest."""
    return at.sun * (absorbed(T, at)[0] - p) - (A + B * T) + at.transport @ T


def jacobian_residual_T(T: Float[Array, " n"], at: Earth) -> Float[Array, "n n"]:
    """F_T, W/m²/°C: the neighbours, and on the diagonal what a warmer band radiates and absorbs."""
    return at.transport + np.diag(at.sun * absorbed(T, at)[1] - B)


def rest(at: Earth, p: Any = None, *, T: Any = None, steps: int = 50) -> Rest:
    """The temperatures at which nothing is heated, by Newton's method from today's warm Earth (or T).

    p  how much more of the sun each band reflects (n,), by default nothing

    Raises ValueError for shapes that do not fit the bands, or NaN.
    """
    n = len(at.share)
    p = reals(np.zeros(n) if p is None else p, "p", shape=(n,))
    T = reals(30 - 50 * np.sin(np.radians(at.latitude_deg)) ** 2 if T is None else T, "T", shape=(n,))
    for k in range(steps):
        F, F_T = residual(T, p, at), jacobian_residual_T(T, at)
        if np.abs(F).max() <= 1e-10:
            return Rest(T, F_T, k, True)
        T = T - np.linalg.solve(F_T, F)
    return Rest(T, jacobian_residual_T(T, at), steps, False)


def mean(T: Float[Array, " n"], at: Earth) -> Float[Array, ""]:
    """The Earth's mean temperature, ⟨w, T⟩, °C."""
    return at.share @ T


def vjp_rest(at: Earth, found: Rest, T_bar: Any) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """p_bar (n,) and the adjoint lam (n,): one transposed solve, F_Tᵀ lam = T_bar, then p_bar = Q s ∘ lam.

    Raises ValueError for a T_bar of another shape, or a state that is not at rest: the theorem needs F = 0.
    """
    if not found.converged:
        raise ValueError(
            "vjp_rest expects a state at rest, and this one has not come to rest; give more steps."
        )
    lam = np.linalg.solve(found.F_T.T, reals(T_bar, "T_bar", shape=found.T.shape))
    return at.sun * lam, lam


def jvp_rest(at: Earth, found: Rest, p_dot: Any) -> Float[Array, " n"]:
    """How the temperatures answer to p_dot: F_T T_dot = Q s ∘ p_dot.  Raises ValueError as `vjp_rest`."""
    if not found.converged:
        raise ValueError(
            "jvp_rest expects a state at rest, and this one has not come to rest; give more steps."
        )
    return np.linalg.solve(found.F_T, at.sun * reals(p_dot, "p_dot", shape=found.T.shape))
