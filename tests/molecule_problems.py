"""Small molecules for the tests of the kernels' molecules."""

import numpy as np
from scipy.spatial.transform import Rotation

WATER = (
    np.array([8, 1, 1]),
    np.array([[0.0, 0.0, 0.1173], [0.0, 0.7572, -0.4692], [0.0, -0.7572, -0.4692]]),
)
METHANE = (
    np.array([6, 1, 1, 1, 1]),
    0.6276 * np.array([[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=float),
)
FORMALDEHYDE = (
    np.array([6, 8, 1, 1]),
    np.array([[0.0, 0.0, -0.529], [0.0, 0.0, 0.674], [0.0, 0.938, -1.112], [0.0, -0.938, -1.112]]),
)
CARBON_DIOXIDE = (np.array([6, 8, 8]), np.array([[0.0, 0, 0], [0, 0, 1.16], [0, 0, -1.16]]))  # on a line
MOLECULES = [WATER, METHANE, FORMALDEHYDE, CARBON_DIOXIDE]


def shaken(rng: np.random.Generator, molecule=METHANE, size: float = 0.05):
    """The molecule with every atom displaced: no symmetry left."""
    Z, R = molecule
    return Z, R + size * rng.normal(size=R.shape)


def moved(rng: np.random.Generator, molecule):
    """Turned, shifted and mirrored: nothing that an energy would notice."""
    Z, R = molecule
    turn = Rotation.random(rng=rng).as_matrix()
    return Z, (R * [1, 1, -1]) @ turn.T + rng.normal(size=3)


def renumbered(rng: np.random.Generator, molecule):
    """The same atoms in another order, and the order."""
    order = rng.permutation(len(molecule[0]))
    return (molecule[0][order], molecule[1][order]), order
