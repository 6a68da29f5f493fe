"""Mixtures, processes and points that the tests of the diffusion chapter share."""

import numpy as np

from mcbook import diffusion

PROCESSES = {
    "EDM": diffusion.edm(),
    "VE": diffusion.ve(),
    "VP": diffusion.vp(),
    "OU": diffusion.vp(beta_min=2.0, beta_max=2.0),
}


def turned(rng, K=3, d=3):
    """Components of full covariance, no two axes alike."""
    A = rng.normal(size=(K, d, d))
    C = 0.1 * np.eye(d) + 0.3 * A @ A.transpose(0, 2, 1)
    return diffusion.mixture(1 + rng.random(K), 1.5 * rng.normal(size=(K, d)), C)


def mixtures(rng):
    """Round and unequal, and turned."""
    return [diffusion.five_spots(), turned(rng)]


def lone(variance=(0.5, 2.0, 0.1), mean=(0.3, -1.0, 2.0)):
    """One Gaussian, whose flow is known: x/√(variance + sigma²) stays as it is."""
    return diffusion.mixture([1.0], np.array([mean]), np.array([variance]))


def line():
    """Two bumps on a line."""
    return diffusion.mixture([0.6, 0.4], [[-1.0], [1.0]], [0.09, 0.25])


def gaussian_endpoint(x, start, end, variance=(0.5, 2.0, 0.1), mean=(0.3, -1.0, 2.0)):
    """Where the flow of `lone` takes x from one noise to another."""
    v, m = np.array(variance), np.array(mean)
    return m + (x - m) * np.sqrt((v + end**2) / (v + start**2))
