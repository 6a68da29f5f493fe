"""Small molecules and untrained networks for the tests of the chapter on symmetry."""

import jax
import numpy as np

from mcbook.symmetry import Potential, network

NUMBERS = np.array([6, 6, 8, 1, 1, 1, 1, 1, 1])  # ethanol
ETHANOL = np.array(
    [
        [-1.22, -0.24, 0.02],
        [0.08, 0.55, -0.02],
        [1.17, -0.35, 0.01],
        [-1.30, -0.85, 0.92],
        [-1.28, -0.89, -0.86],
        [-2.07, 0.46, 0.00],
        [0.13, 1.20, 0.87],
        [0.14, 1.17, -0.93],
        [2.02, 0.11, 0.04],
    ]
)
SPECIES = network.species_of(NUMBERS, [1, 6, 8])


def geometry(rng):
    """Ethanol with its atoms moved by about 0.05 Å."""
    return ETHANOL + 0.05 * rng.normal(size=ETHANOL.shape)


def net(seed=0, **changes):
    """An untrained network of the small kind."""
    options = {"elements": 3, "features": 6, "rounds": 2, "radial": 4, "scale_kcal": 20.0} | changes
    return network.init(jax.random.key(seed), **options)


def model(params, X):
    return network.energy_and_forces(params, X, SPECIES)


def potential(seed=0, **changes):
    return Potential(model, net(seed, **changes), NUMBERS)
