"""The Fokker-Planck equation on a grid of cells, in one and two dimensions: mass moves, none is made or lost.

Problem    dp/dt = -∇·(b p) + ½ g² Δp, no flux through the walls; t may run down, and then b is turned round
           (b as `reverse_drift` gives it) while noise still spreads
Space      finite volumes: the mass of a cell changes by what crosses its faces. Between cells i and j at
           distance h the flux is that of Scharfetter and Gummel, exact for constant b and D = ½ g²:
               D/h (B(-P) p_i - B(P) p_j),   P = b h / D,   B(P) = P / (e^P - 1)
           which is central for small P, upwind for large ones. All rates are positive
Time       dm/dt = G m, with G at the middle of each step (order 2; exact where G(t) is one matrix times a
           number, as for the forward equation of VP, VE and EDM)
           e^(τG) m by uniformisation: with q = max|G_ii|, P = I + G/q is a stochastic matrix, and
               e^(τG) m = Σ_k e^(-qτ) (qτ)^k / k!  P^k m
           a sum of positive terms: positivity and mass are kept at every step size, work grows as q τ
References scharfetter1969 (the flux), grassmann1977 (uniformisation)
Symbols    m mass per cell, b drift, D = ½ g², G generator (columns sum to zero), h distance of centres
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float
from scipy.stats import norm, poisson

from mcbook.diffusion import _checks
from mcbook.diffusion.mixtures import Mixture, log_density

Array = Any
MOST = 1e7  # products in one step
NODES, WEIGHTS = np.polynomial.legendre.leggauss(6)


class Cells(NamedTuple):
    """A grid of cells in d = 1 or 2 dimensions by its edges along each axis, increasing."""

    edges: tuple[np.ndarray, ...]


class Evolution(NamedTuple):
    """Mass per cell at each time; its total and its least entry; products with a matrix that it took."""

    times: np.ndarray  # (T,)
    mass: np.ndarray  # (T, *shape)
    total: np.ndarray  # (T,)
    least: float
    products: int


def cells(lower: Any, upper: Any, m: Any) -> Cells:
    """Equal cells from lower to upper, numbers or one for each of d axes; m cells a side.

    Raises ValueError for more than two dimensions, or a corner above its opposite.
    """
    low, high, count = np.broadcast_arrays(*(np.atleast_1d(v) for v in (lower, upper, m)))
    if len(low) not in (1, 2) or low.ndim != 1:
        raise ValueError(f"cells are laid in 1 or 2 dimensions, got corners of shape {low.shape}.")
    low, high = _checks.reals(low, "lower"), _checks.reals(high, "upper")
    if (low >= high).any():
        raise ValueError(f"lower must be below upper on every axis, got {low} and {high}.")
    parts = zip(low, high, count, strict=True)
    return Cells(tuple(np.linspace(a, b, _checks.whole(n, "m", least=2) + 1) for a, b, n in parts))


def shape_of(grid: Cells) -> tuple[int, ...]:
    """Cells along each axis."""
    return tuple(len(e) - 1 for e in grid.edges)


def centres(grid: Cells) -> Float[np.ndarray, "N d"]:
    """The middles of all cells, in the order of mass.ravel()."""
    return _product([(e[1:] + e[:-1]) / 2 for e in grid.edges])


def volumes(grid: Cells) -> Float[np.ndarray, "..."]:
    """Length or area of each cell, in the shape of the mass: density = mass / volumes."""
    return _outer([np.diff(e) for e in grid.edges])


def cell_mass(mix: Mixture, grid: Cells) -> Float[np.ndarray, "..."]:
    """The mixture's mass in every cell: by the normal distribution where its axes are those of the grid,
    by 6 Gauss points a side otherwise."""
    if np.shape(mix.means)[1] != len(grid.edges):
        raise ValueError(f"a mixture in {np.shape(mix.means)[1]} dimensions, cells in {len(grid.edges)}.")
    if mix.axes is not None:
        return _by_quadrature(mix, grid)
    total = np.zeros(shape_of(grid))
    for w, mean, variance in zip(*(np.asarray(part) for part in mix[:3]), strict=True):
        parts = zip(grid.edges, mean, np.sqrt(variance), strict=True)
        total += w * _outer([_differences((e - m) / s) for e, m, s in parts])
    return total


def fokker_planck(
    mass: Any, grid: Cells, *, drift: Any, diffusion: Any, times: Any, steps: Any = 1
) -> Evolution:
    """Mass per cell carried through the times (T,), the first being that of `mass`.

    drift      (x (N, d), t) ↦ b (N, d), in forward time even where the times decrease
    diffusion  t ↦ ½ g², a number ≥ 0: ½ g² forwards, ½ eta² g² for `reverse_drift` with that eta
    steps      between two times; matters where the drift changes shape with time
    Raises ValueError for mass that is negative, NaN or of another shape, times out of order, d > 2.
    """
    now = _checks.reals(mass, "mass", shape=shape_of(grid))
    if now.min() < 0:
        raise ValueError(f"mass must not be negative, got {now.min():.3g}.")
    times, steps = _ordered(times), _checks.whole(steps, "steps")
    seen, products = [now], 0
    for t0, t1 in pairwise(times):
        for k in range(steps):
            middle = float(t0 + (t1 - t0) * (k + 0.5) / steps)
            G = generator(grid, drift, diffusion, middle, backwards=t1 < t0)
            flat, used = transport(G, now.ravel(), abs(t1 - t0) / steps)
            now, products = flat.reshape(now.shape), products + used
        seen.append(now)
    states = np.stack(seen)
    axes = tuple(range(1, states.ndim))
    return Evolution(times, states, states.sum(axis=axes), float(states.min()), products)


def generator(grid: Cells, drift: Any, diffusion: Any, t: Any, *, backwards: Any = False) -> Any:
    """G, sparse (N, N), with dm/dt = G m: what leaves a cell enters its neighbour, so columns sum to zero."""
    D, shape = _checks.not_negative(diffusion(t), f"diffusion({t:g})"), shape_of(grid)
    index, width = np.arange(np.prod(shape)).reshape(shape), [np.diff(e) for e in grid.edges]
    rows, columns, rates = [], [], []
    for axis, h in enumerate(width):
        at = _faces(grid, axis)
        b = _checks.reals(drift(at, t), "drift(x, t)", shape=at.shape)[:, axis]
        b = (-b if backwards else b).reshape(*(n - (a == axis) for a, n in enumerate(shape)))
        left, right = (np.take(index, np.arange(len(h) - 1) + i, axis).ravel() for i in (0, 1))
        along = [-1 if a == axis else 1 for a in range(len(shape))]
        gap, here, there = (v.reshape(along) for v in ((h[1:] + h[:-1]) / 2, h[:-1], h[1:]))
        rows += [right, left]
        columns += [left, right]
        rates += [(_pass(b, D / gap) / here).ravel(), (_pass(-b, D / gap) / there).ravel()]
    row, column, rate = (np.concatenate(v) for v in (rows, columns, rates))
    leaving = np.bincount(column, rate, minlength=index.size)
    off = sp.csr_array((rate, (row, column)), shape=(index.size, index.size))
    return off - sp.diags_array(leaving, format="csr")


def _pass(b: np.ndarray, k: np.ndarray) -> np.ndarray:
    """k B(-b/k), the speed at which mass crosses with the drift b, k = D/h; max(b, 0) without diffusion."""
    k = np.broadcast_to(k, b.shape)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        P = np.where(k > 0, -b / k, 0.0)
        smooth = np.where(np.abs(P) < 1e-8, k * (1 - P / 2), -b / np.expm1(P))
    return np.where((k > 0) & (np.abs(P) < 500), smooth, np.maximum(b, 0.0))


def transport(G: Any, m: Any, tau: Any) -> tuple[np.ndarray, int]:
    """e^(tau G) m as a mean of P^k m over a Poisson number k of jumps, and how many products it took."""
    q = float(-G.diagonal().min())
    if q * tau == 0:
        return m, 0
    if q * tau > MOST:
        raise ValueError(
            f"the step would take about {q * tau:.0e} products, more than {MOST:.0e}: the cells are too "
            "small for diffusion and drift of this size. Take fewer cells or a shorter time."
        )
    P = sp.eye_array(len(m), format="csr") + G / q
    first, last = (int(v) for v in poisson.ppf([1e-18, 1 - 1e-16], q * tau))
    last += 10
    weights = poisson.pmf(np.arange(first, last + 1), q * tau)
    weights /= weights.sum()
    out = np.zeros_like(m)
    for k in range(last + 1):
        if k >= first:
            out += weights[k - first] * m
        m = P @ m
    return out, last + 1


def _ordered(times: Any) -> np.ndarray:
    times = _checks.reals(times, "times")
    steps = np.diff(times) if times.ndim == 1 else np.zeros(1)
    if len(steps) < 1 or not ((steps > 0).all() or (steps < 0).all()):
        raise ValueError(f"times must be two or more, all increasing or all decreasing; got {times}.")
    return times


def _faces(grid: Cells, axis: int) -> np.ndarray:
    """The middles of the inner faces across one axis, (N_faces, d)."""
    middles = [(e[1:] + e[:-1]) / 2 for e in grid.edges]
    middles[axis] = grid.edges[axis][1:-1]
    return _product(middles)


def _product(parts: list[np.ndarray]) -> np.ndarray:
    return np.stack([v.ravel() for v in np.meshgrid(*parts, indexing="ij")], axis=1)


def _outer(parts: list[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else parts[0][:, None] * parts[1]


def _differences(u: np.ndarray) -> np.ndarray:
    """Φ(u_{i+1}) - Φ(u_i), from the tail in which both are small."""
    return np.where(u[:-1] > 0, norm.sf(u[:-1]) - norm.sf(u[1:]), norm.cdf(u[1:]) - norm.cdf(u[:-1]))


def _by_quadrature(mix: Mixture, grid: Cells) -> np.ndarray:
    half = [np.diff(e) / 2 for e in grid.edges]
    points = [
        ((e[1:] + e[:-1]) / 2)[:, None] + h[:, None] * NODES for e, h in zip(grid.edges, half, strict=True)
    ]
    weights = _outer([(h[:, None] * WEIGHTS).ravel() for h in half])
    density = np.exp(log_density(_product([p.ravel() for p in points]), mix)).reshape(weights.shape)
    shape = shape_of(grid)
    if len(shape) == 1:
        return (weights * density).reshape(shape[0], -1).sum(1)
    return (weights * density).reshape(shape[0], 6, shape[1], 6).sum(axis=(1, 3))


def equation(process: Any) -> tuple[Callable[[Any, Any], Any], Callable[[Any], float]]:
    """Drift f(t) x and diffusion ½ g² of a process's forward equation, for `fokker_planck`."""
    return (lambda x, t: float(process.f(t)) * x), (lambda t: float(process.g(t)) ** 2 / 2)
