"""The probability flow with adaptive steps, in both directions.

Problem    dz/dtheta = (a z - (c/a) D) / sigma, `mcbook.diffusion.angle`, from one noise level to another
Solver     DOP853, a Runge-Kutta pair of order 8 with its own error estimates (SciPy); the error is kept for
           the whole batch, in z, whose entries are of order 1
Reference  hairer1993
"""

from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from mcbook.diffusion import _checks
from mcbook.diffusion.angle import angle, noise_at, slope, total_scale
from mcbook.diffusion.samplers import Samples, _Counted


def flow(
    denoise: Any,
    x: Any,
    *,
    sigma_from: Any,
    sigma_to: Any,
    data_scale: Any = 1.0,
    rtol: Any = 1e-6,
    atol: Any = 1e-6,
    points: Any = 2,
) -> Samples:
    """Rows x (n, ...) at sigma_from carried by the flow to sigma_to, up or down; path at `points` angles.

    Down it makes samples (end at a small sigma_to > 0), up it finds the noise that a sample came from.
    Raises ValueError for NaN or levels that are not positive, and RuntimeError where the solver gives up.
    """
    x = np.asarray(_checks.samples(x))
    start, end = _checks.positive(sigma_from, "sigma_from"), _checks.positive(sigma_to, "sigma_to")
    a, counted = _checks.positive(data_scale, "data_scale"), _Counted(denoise, x)

    def rate(theta: float, z: np.ndarray) -> np.ndarray:
        sigma = noise_at(theta, a)
        z = z.reshape(x.shape)
        D = counted((total_scale(sigma, a) * z).astype(x.dtype), sigma)
        return np.asarray(slope(z, D, sigma, a), dtype=float).ravel()

    first, last = angle([start, end], a)
    thetas = np.linspace(first, last, _checks.whole(points, "points", least=2))
    z = (x / total_scale(start, a)).ravel()
    path = integrate(rate, z, thetas, rtol=rtol, atol=atol)
    sigmas = np.array([start, *(noise_at(t, a) for t in thetas[1:-1]), end])
    scales = np.hypot(sigmas, a).reshape(-1, *[1] * x.ndim)
    states = (scales * path.reshape(len(sigmas), *x.shape)).astype(x.dtype)
    return Samples(states[-1], counted.calls, sigmas, states)


def integrate(rate: Any, y: np.ndarray, thetas: np.ndarray, *, rtol: Any, atol: Any) -> np.ndarray:
    """y at each of the angles (m, len(y)), by DOP853.  Raises RuntimeError where it gives up."""
    rtol, atol = _checks.positive(rtol, "rtol"), _checks.positive(atol, "atol")
    run = solve_ivp(rate, (thetas[0], thetas[-1]), y, method="DOP853", t_eval=thetas, rtol=rtol, atol=atol)
    if not run.success:
        raise RuntimeError(f"the flow could not be followed beyond angle {run.t[-1]:.4g}: {run.message}")
    return run.y.T
