"""Noise levels to step through: decreasing, from sigma_max to sigma_min.

karras_sigmas    equal steps of sigma^(1/rho), rho = 7: the usual grid (Karras et al. 2022)
log_sigmas       equal steps of log sigma
logistic_sigmas  equal steps of u(log sigma), u the logistic curve around `centre`: dense where the flow
                 decides what the sample will be, sparse where noise is nearly all or nearly nothing
                     sigma = centre (u / (1 - u))^width
                 Karras et al. train most at log sigma ~ N(-1.2, 1.2²); the logistic curve of that centre and
                 scale, with its heavier tails, is the default. `centre` is in units of x: 0.3 suits data of a
                 spread of about 1, and grows with it
Reference        karras2022
"""

from typing import Any

import numpy as np

from mcbook.diffusion import _checks

SIGMA_MIN, SIGMA_MAX = 0.002, 80.0


def karras_sigmas(
    n: Any, *, sigma_min: Any = SIGMA_MIN, sigma_max: Any = SIGMA_MAX, rho: Any = 7.0
) -> np.ndarray:
    """n levels (n,) in equal steps of sigma^(1/rho).  Raises ValueError."""
    n, low, high = _ends(n, sigma_min, sigma_max)
    rho = _checks.positive(rho, "rho")
    return _exact_ends(np.linspace(high ** (1 / rho), low ** (1 / rho), n) ** rho, low, high)


def log_sigmas(n: Any, *, sigma_min: Any = SIGMA_MIN, sigma_max: Any = SIGMA_MAX) -> np.ndarray:
    """n levels (n,) in equal steps of log sigma, a geometric sequence.  Raises ValueError."""
    n, low, high = _ends(n, sigma_min, sigma_max)
    return _exact_ends(np.geomspace(high, low, n), low, high)


def logistic_sigmas(
    n: Any,
    *,
    sigma_min: Any = SIGMA_MIN,
    sigma_max: Any = SIGMA_MAX,
    centre: Any = 0.3,
    width: Any = 1.2,
) -> np.ndarray:
    """n levels (n,), equal steps of a logistic curve in log sigma, densest at `centre`."""
    n, low, high = _ends(n, sigma_min, sigma_max)
    centre, width = _checks.positive(centre, "centre"), _checks.positive(width, "width")
    odds = (np.array([high, low]) / centre) ** (1 / width)
    first, last = odds / (1 + odds)
    u = np.linspace(first, last, n)
    return _exact_ends(centre * (u / (1 - u)) ** width, low, high)


def check_sigmas(sigmas: Any) -> np.ndarray:
    """sigmas as float64 (n,), n ≥ 2, positive and decreasing.  Raises ValueError otherwise."""
    out = _checks.reals(sigmas, "sigmas")
    if out.ndim != 1 or len(out) < 2:
        raise ValueError(f"sigmas must be a list of at least two noise levels, got shape {out.shape}.")
    if out.min() <= 0:
        raise ValueError(
            f"sigmas must be positive, got {out.min()} at {int(out.argmin())}: the samplers go from the last "
            "level to clean data by one denoising themselves, so leave the 0 away."
        )
    rise = np.flatnonzero(np.diff(out) >= 0)
    if len(rise):
        i = int(rise[0])
        raise ValueError(
            f"sigmas must decrease, from noise to data; sigmas[{i}] = {out[i]} is followed by {out[i + 1]}. "
            "Sort them with np.sort(sigmas)[::-1]."
        )
    return out


def _ends(n: Any, sigma_min: Any, sigma_max: Any) -> tuple[int, float, float]:
    low, high = _checks.ascending(sigma_min, sigma_max, ("sigma_min", "sigma_max"))
    return _checks.whole(n, "n", least=2), low, high


def _exact_ends(sigmas: np.ndarray, low: float, high: float) -> np.ndarray:
    sigmas[0], sigmas[-1] = high, low
    return sigmas
