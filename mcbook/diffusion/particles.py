"""The cloud of particles whose density the Fokker-Planck equation describes, out and back, and its residual.

Out        x_t given x_r is normal: (s_t/s_r) x_r + s_t √(sigma_t² - sigma_r²) noise, exact at any step
Back       Euler-Maruyama for dx = [f x - ½ (1 + eta²) g² ∇ log p_t] dt + eta g dW̄
Residual   of the analytic density, divided by it:
               ∂_t log p + f (d + x·∇log p) - ½ g² (tr ∇² log p + |∇ log p|²)
Agreement  Pearson's statistic Σ (counts - n m)² / (n m) of a histogram against masses m per cell
"""

from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from scipy.stats import chi2

from mcbook.diffusion import _checks
from mcbook.diffusion.densities import Cells
from mcbook.diffusion.mixtures import Mixture, _hessian, _log_density, _score, marginal
from mcbook.diffusion.processes import Process, reverse_drift

Array = Any


class Agreement(NamedTuple):
    """Pearson's statistic, its degrees of freedom, and the chance of one at least as large if all is well."""

    statistic: float
    dof: int
    p_value: float


def diffuse(process: Process, x0: Any, times: Any, rng: Any) -> np.ndarray:
    """Paths (T, n, ...) of the forward SDE from x0 (n, ...) at t = 0, at increasing times; exact in law."""
    now, rng = np.asarray(_checks.samples(x0, "x0")), _checks.generator(rng)
    s, sigma, path = 1.0, 0.0, []
    for t in _checks.times(times):
        s_t, sigma_t = float(process.s(t)), float(process.sigma(t))
        noise = rng.standard_normal(now.shape)
        now = s_t / s * now + s_t * np.sqrt(max(sigma_t**2 - sigma**2, 0.0)) * noise
        s, sigma = s_t, sigma_t
        path.append(now)
    return np.stack(path)


def simulate_reverse(
    process: Process, denoise: Any, x: Any, times: Any, *, rng: Any = None, eta: Any = 1.0
) -> np.ndarray:
    """Paths (T, n, ...) back from x (n, ...) at times[0] through decreasing times, in the process's frame.

    eta 1 is the reverse SDE, 0 the probability-flow ODE by Euler's method (no rng needed).
    Raises ValueError for times that do not decrease or are not positive.
    """
    x, times = np.asarray(_checks.samples(x)), _checks.times(np.asarray(times)[::-1])[::-1]
    if times[-1] <= 0:
        raise ValueError("times must be positive: at t = 0 there is no noise left and no score.")
    drift = jax.jit(reverse_drift(process, denoise, eta=eta))
    rng = _checks.generator(rng) if eta else None
    path = [x]
    for a, b in pairwise(times.tolist()):
        step = np.asarray(drift(path[-1], a)) * (b - a)
        if rng is not None:
            step = step + float(eta) * float(process.g(a)) * (a - b) ** 0.5 * rng.standard_normal(x.shape)
        path.append((path[-1] + step).astype(x.dtype))
    return np.stack(path)


def histogram(x: Any, grid: Cells) -> Int[np.ndarray, "..."]:
    """How many rows of x (n, d) lie in each cell; those outside the grid are not counted."""
    x = np.asarray(_checks.samples(x, d=len(grid.edges)))
    return np.histogramdd(x, bins=grid.edges)[0].astype(int)


def agreement(counts: Any, mass: Any, *, least: Any = 5.0) -> Agreement:
    """Whether counts are n draws from masses per cell; cells that expect fewer than `least` become one.

    What lies outside the grid must be negligible. Raises ValueError for shapes that differ.
    """
    counts, mass = np.asarray(counts), _checks.reals(mass, "mass")
    if counts.shape != mass.shape:
        raise ValueError(f"counts and mass must have one shape, got {counts.shape} and {mass.shape}.")
    expected = counts.sum() * mass / mass.sum()
    many = expected >= least
    seen = np.append(counts[many], counts[~many].sum())
    wanted = np.append(expected[many], expected[~many].sum())
    keep = wanted > 0
    statistic = float((((seen - wanted)[keep]) ** 2 / wanted[keep]).sum())
    dof = int(keep.sum()) - 1
    return Agreement(statistic, dof, float(chi2.sf(statistic, dof)))


def fokker_planck_residual(x: Any, t: Any, mix: Mixture, process: Process) -> Float[Array, " n"]:
    """What the mixture's marginals leave of the Fokker-Planck equation at x (n, d) and t, divided by p."""
    x = _checks.samples(x, d=np.shape(mix.means)[1])
    return _residual(jnp.asarray(x), jnp.asarray(float(t)), mix, process)


@partial(jax.jit, static_argnums=3)
def _residual(x, t, mix, process):
    def log_p(at):
        return _log_density(x, marginal(mix, process, at))

    _, by_time = jax.jvp(log_p, (t,), (jnp.ones_like(t),))
    now, d = marginal(mix, process, t), x.shape[1]
    grad, laplacian = _score(x, now), jnp.trace(_hessian(x, now), axis1=1, axis2=2)
    inflow = process.f(t) * (d + (x * grad).sum(1))
    return by_time + inflow - process.g(t) ** 2 / 2 * (laplacian + (grad**2).sum(1))
