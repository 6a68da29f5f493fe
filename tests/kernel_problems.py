"""What the tests of the kernels share: a small problem, the kernels, and a relative comparison."""

import numpy as np
import pytest

from mcbook import kernels

ALL = [kernels.GAUSSIAN, kernels.LAPLACIAN, kernels.MATERN12, kernels.MATERN32, kernels.MATERN52]
every_kernel = pytest.mark.parametrize("kernel", ALL, ids=lambda k: k.name)
WIDTHS = np.array([1.0, 2.0, 0.7])


def problem(rng, n=30, d=3, q=2):
    """X (n, d), y (n,), P (n, q): a smooth function, noise, and a block with a constant."""
    X = rng.normal(size=(n, d))
    P = np.column_stack([np.ones(n), rng.integers(0, 4, size=(n, q - 1))]) if q else None
    y = np.sin(2 * X[:, 0]) + 0.1 * rng.normal(size=n) + (0.0 if P is None else P @ rng.normal(size=q) * 5)
    return X, y, P


def close(a, b, rel):
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape
    assert np.linalg.norm(a - b) <= rel * np.linalg.norm(b)
