"""The probability flow in the angle between data and noise, where it bends least.

Flow       dx/dsigma = (x - D(x, sigma)) / sigma, stiff at both ends
Angle      sigma = a tan(theta), a the data's scale: theta = 0 is data, theta = π/2 is noise
Variable   z = x / c, c = √(sigma² + a²) = a / cos(theta): of unit variance at every angle
Flow       dz/dtheta = (a z - (c/a) D(c z, sigma)) / sigma
           zero where D = (a/c)² x, the denoiser of N(0, a² I): a Gaussian of the right scale does not move
Volume     d log|∂z/∂z_0| / dtheta = (d a - (c²/a) div D) / sigma,   log|∂x| = log|∂z| + d log c
References karras2022 (preconditioning), lusong2025 (the flow in an angle), hairer1993 (Adams)
Symbols    a data_scale, c total scale, k steps remembered
"""

from typing import Any

import numpy as np


def angle(sigma: Any, data_scale: float) -> Any:
    """theta in 0 … π/2."""
    return np.arctan(np.asarray(sigma) / data_scale)


def noise_at(theta: float, data_scale: float) -> float:
    """sigma at an angle."""
    return float(data_scale * np.tan(theta))


def total_scale(sigma: float, data_scale: float) -> float:
    """c = √(sigma² + a²)."""
    return float(np.hypot(sigma, data_scale))


def slope(z: Any, D: Any, sigma: float, data_scale: float) -> Any:
    """dz/dtheta (n, ...) from z and the denoiser's D at x = c z."""
    c = total_scale(sigma, data_scale)
    return (data_scale * z - (c / data_scale) * D) / sigma


def slope_of_volume(div_D: Any, d: int, sigma: float, data_scale: float) -> Any:
    """d log|∂z/∂z_0| / dtheta (n,) from the denoiser's divergence, in d dimensions."""
    c = total_scale(sigma, data_scale)
    return (d * data_scale - c**2 / data_scale * div_D) / sigma


def adams_weights(nodes: Any, start: float, end: float) -> np.ndarray:
    """(k,) weights with Σ_j weight_j y(node_j) = ∫_start^end y, exact for polynomials of degree below k.

    Nodes before `start` and at it make a predictor (Adams-Bashforth), `end` among them a corrector
    (Adams-Moulton); they need not be equally spaced.
    """
    u = (np.asarray(nodes) - start) / (end - start)
    k = len(u)
    return (end - start) * np.linalg.solve(np.vander(u, k, increasing=True).T, 1 / np.arange(1, k + 1))
