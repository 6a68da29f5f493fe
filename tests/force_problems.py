"""Small molecules with an energy in closed form, for the tests of pairs, kernels and their symmetries."""

import jax
import jax.numpy as jnp
import numpy as np

from mcbook import _pairs

METHANOL = np.array([6, 8, 1, 1, 1, 1])
METHANOL_ANGSTROM = np.array(
    [
        [0.0, 0.0, 0.0],
        [1.42, 0.0, 0.0],
        [-0.36, 1.03, 0.0],
        [-0.36, -0.51, 0.89],
        [-0.36, -0.51, -0.89],
        [1.74, 0.90, 0.05],
    ]
)
AMMONIA = np.array([7, 1, 1, 1])
AMMONIA_ANGSTROM = np.array(
    [[0.0, 0.0, 0.12], [0.94, 0.0, -0.27], [-0.47, 0.81, -0.27], [-0.47, -0.81, -0.27]]
)


def frames(at, n, rng, size=0.08):
    """n geometries: `at`, every atom moved at random."""
    return at + size * rng.normal(size=(n, *at.shape))


def energy(x, numbers):
    """Stretched pairs, and triples by the squares of their sums: symmetric under permutations."""
    i, j = _pairs.pair_index(len(numbers))
    r = jnp.sqrt(((x[i] - x[j]) ** 2).sum(-1))
    strength = 1.0 + 0.1 * np.sqrt(numbers[i] * numbers[j])
    bend = jnp.zeros(len(numbers)).at[i].add(jnp.exp(-r)).at[j].add(jnp.exp(-r))
    return 20 * (strength * (1 - jnp.exp(1.2 - r)) ** 2).sum() + 30 * (bend**2 / numbers).sum()


def labels(X, numbers):
    """E (n,) and F = -∇E (n, a, 3) by JAX."""
    E, G = jax.vmap(jax.value_and_grad(lambda x: energy(x, numbers)))(jnp.asarray(X))
    return np.asarray(E), -np.asarray(G)


def close(found, expected, rtol):
    """Within rtol of the norm of what is expected."""
    expected = np.asarray(expected)
    gap = np.linalg.norm(np.asarray(found) - expected)
    assert gap <= rtol * np.linalg.norm(expected), gap / np.linalg.norm(expected)
