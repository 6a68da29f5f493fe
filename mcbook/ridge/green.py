"""What one point load does: Green's functions, the length 1/√kappa, and what a mesh makes of it.

Problem    -Δu + kappa u = δ at one point
Line       e^(-√kappa |x|) / (2√kappa): the exponential (Matérn ½) kernel
Interval   cosh·cosh or sinh·sinh between free or held ends
Plane      K₀(√kappa r)/2π, infinite at r = 0: a point load, or the value at a point, costs no finite energy
Matérn     (kappa - Δ)^(ν + d/2) has the Green's function r^ν K_ν(√kappa r), finite at 0 for ν > 0
Mesh       on equal cells u_j falls by e^(-θ) a node; lumped mass: sinh²(θ/2) = kappa h²/4; consistent mass:
           sinh²(θ/2) = (kappa h²/4)/(1 - kappa h²/6), and beyond kappa h² = 6 the sign alternates
References lindgren2011 (Matérn fields by finite elements), whittle1954
Symbols    r, x, y distances and places; L the interval's length; rate θ/h, in 1/length
"""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float
from scipy.special import gamma, k0, kv

from mcbook.ridge._checks import node_indices, positive, reals
from mcbook.ridge.assembly import mass
from mcbook.ridge.mesh import Mesh, mesh_interval
from mcbook.ridge.solve import solve

Array = Any
ENDS = ("free", "held")


class Decay(NamedTuple):
    """|u_j| falls as e^(-rate x); `alternates` where its sign changes from node to node."""

    rate: float
    alternates: bool


def green_line(r: Any, kappa: Any) -> Float[Array, "..."]:
    """e^(-√kappa |r|)/(2√kappa) at distances r on the line, kappa > 0."""
    root = np.sqrt(positive(kappa, "kappa", "without springs a load on a line has no equilibrium"))
    return np.exp(-root * np.abs(reals(r, "r"))) / (2 * root)


def green_interval(
    x: Any, y: Any, kappa: Any, *, length: Any = 1.0, ends: str = "free"
) -> Float[Array, "..."]:
    """The response at x to a unit load at y on [0, length], ends "free" (natural) or "held" (u = 0).

    Raises ValueError for kappa ≤ 0 or places off the interval.
    """
    x, root, length = reals(x, "x"), np.sqrt(positive(kappa, "kappa")), positive(length, "length")
    if ends not in ENDS:
        raise ValueError(f"ends must be one of {ENDS}, got {ends!r}.")
    if min(x.min(), y) < 0 or max(x.max(), y) > length:
        raise ValueError(f"x and y must lie in [0, {length}].")
    sign = 1.0 if ends == "free" else -1.0
    low, high = np.minimum(x, y), length - np.maximum(x, y)
    # cosh or sinh without overflow: 2 wave(z) = e^z (1 ± e^(-2z)), the exponentials gathered
    waves = (1 + sign * np.exp(-2 * root * low)) * (1 + sign * np.exp(-2 * root * high))
    return np.exp(-root * np.abs(x - y)) * waves / (2 * root * -np.expm1(-2 * root * length))


def green_plane(r: Any, kappa: Any) -> Float[Array, "..."]:
    """K₀(√kappa r)/2π at distances r > 0 in the plane.  Raises ValueError for r ≤ 0: it is infinite there."""
    r = reals(r, "r")
    if r.min() <= 0:
        raise ValueError(
            "r must be positive: in the plane the response to a point load is infinite at r = 0."
        )
    return k0(np.sqrt(positive(kappa, "kappa")) * r) / (2 * np.pi)


def matern(r: Any, kappa: Any, *, nu: Any, d: Any) -> Float[Array, "..."]:
    """The Green's function of (kappa - Δ)^(nu + d/2) in d dimensions, at distances r ≥ 0, nu > 0.

    nu = ½, d = 1 is `green_line`.  Raises ValueError for nu ≤ 0 or a negative distance.
    """
    r, root, nu = reals(r, "r"), np.sqrt(positive(kappa, "kappa")), positive(nu, "nu")
    if r.min() < 0:
        raise ValueError("r must hold distances, not negative.")
    variance = gamma(nu) / (gamma(nu + d / 2) * (4 * np.pi) ** (d / 2) * root ** (2 * nu))
    z = root * np.maximum(r, 1e-300)
    with np.errstate(over="ignore", invalid="ignore"):
        shape = 2 ** (1 - nu) / gamma(nu) * z**nu * kv(nu, z)
    return variance * np.where(r * root < 1e-12, 1.0, shape)


def springs_at_ends(mesh: Mesh, kappa: Any) -> sp.csr_array:
    """√kappa at both end nodes of an interval: with it the interval bends as a piece of the whole line."""
    if mesh.nodes.shape[1] != 1:
        raise ValueError("only an interval has the two ends that this needs.")
    diagonal = np.zeros(len(mesh.nodes))
    diagonal[mesh.boundary] = np.sqrt(positive(kappa, "kappa"))
    return sp.diags_array(diagonal, format="csr")


def green_columns(mesh: Mesh, at: Any, *, kappa: Any, power: Any = 1, fixed: Any = ()) -> Float[Array, "n m"]:
    """The mesh's responses to unit loads at the nodes `at` (m,): columns of A⁻¹, or of A⁻¹MA⁻¹.

    power 1 is (kappa - Δ), power 2 its square: `matern` with nu = 2 - d/2.
    Raises ValueError as `solve` does, and for another power.
    """
    if power not in (1, 2):
        raise ValueError(f"power must be 1 or 2, got {power!r}.")
    at, n = node_indices(at, len(mesh.nodes), "at"), len(mesh.nodes)
    first = solve(mesh, np.zeros(n), kappa=kappa, fixed=fixed)
    free = np.setdiff1d(np.arange(n), first.fixed)
    loads = np.zeros((n, len(at)))
    loads[at, np.arange(len(at))] = 1
    out = np.zeros_like(loads)
    for _ in range(power):
        for j in range(len(at)):
            out[free, j] = first.inverse(loads[free, j]).x
        loads = mass(mesh) @ out if power == 2 else loads
    return out


def decay_rate_lumped(h: Any, kappa: Any) -> float:
    """(2/h) asinh(h√kappa/2), in 1/length: less than √kappa, by a factor 1 - kappa h²/24 to leading order."""
    h, kappa = positive(h, "h"), positive(kappa, "kappa")
    return float(2 / h * np.arcsinh(h * np.sqrt(kappa) / 2))


def decay_rate_consistent(h: Any, kappa: Any) -> Decay:
    """What the consistent mass matrix does: more than √kappa below kappa h² = 6, alternating above.

    At kappa h² = 6 neighbours are not coupled at all and the rate is infinite; far above it a node has
    1/(2 + √3) of its neighbour's value, whatever the material.
    """
    h, square = positive(h, "h"), positive(kappa, "kappa") * h**2
    coupling = 1 - square / 6  # -h times the entry beside the diagonal
    if coupling > 0:
        return Decay(float(2 / h * np.arcsinh(np.sqrt(square / (4 * coupling)))), False)
    if coupling == 0:
        return Decay(np.inf, False)
    return Decay(float(np.arccosh((1 + square / 3) / -coupling) / h), True)


def measured_decay(h: Any, kappa: Any, *, lumped: bool) -> Decay:
    """The decay of a solved problem: a load on the left end of equal cells, the other end 40 lengths away.

    Its fall over one length, or over one cell where that is longer, gives the rate.
    """
    rate = decay_rate_lumped(h, kappa) if lumped else decay_rate_consistent(h, kappa).rate
    cells = int(np.ceil(40 / min(rate * h, 40.0))) + 1
    mesh = mesh_interval(cells, length=cells * h)
    b = np.zeros(cells + 1)
    b[0] = 1
    u = solve(mesh, b, kappa=kappa, lumped=lumped).w
    step = max(1, round(1 / (rate * h)))
    with np.errstate(divide="ignore"):  # neighbours that are not coupled
        return Decay(float(-np.log(abs(u[step] / u[0])) / (step * h)), bool(u[1] * u[0] < 0))
