"""The network that ships with the book, trained on our own ethanol.

    python -m mcbook.symmetry.trained        # trains it again: a few minutes of one core
Frames     every fifth of the 2000 (`data.ethanol`), GFN2-xTB energies and forces
Sizes      16 features, 2 rounds, 8 radial functions, cutoff 5 Å: 6850 weights
Training   Adam, 6000 steps of 8 frames; float64, key 0
"""

from importlib import resources
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from mcbook.symmetry import network
from mcbook.symmetry.potential import Potential
from mcbook.symmetry.training import Training, train

ELEMENTS = (1, 6, 8)
NUMBERS = np.array([6, 6, 8, 1, 1, 1, 1, 1, 1])
SPECIES = network.species_of(NUMBERS, ELEMENTS)
SIZES: dict[str, Any] = {"elements": 3, "features": 16, "rounds": 2, "radial": 8}
SETTINGS: dict[str, Any] = {"steps": 6000, "batch": 8, "rate": 1e-2, "w": 0.1}
FILE = "ethanol_network.npz"


def model(params: network.Network, X: Any) -> tuple[Any, Any]:
    """Energy and forces of ethanol, its atoms in the order C C O and six H."""
    return network.energy_and_forces(params, X, SPECIES)


def ethanol_network() -> Potential:
    """The trained network of ethanol, C C O H H H H H H, at about 500 K.

    Source: our own; `python -m mcbook.symmetry.trained` makes it. CC BY 4.0.
    """
    path = resources.files("mcbook.symmetry").joinpath(FILE)
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        weights = arrays["weights"]
    _, unravel = ravel_pytree(network.init(jax.random.key(0), **SIZES))
    return Potential(model, unravel(jnp.asarray(weights)), NUMBERS)


def fit(X: Any, E: Any, F: Any, *, seed: int = 0, **changes: Any) -> Training:
    """Train a network of those sizes on frames of ethanol; `changes` to SETTINGS.  Raises as `train` does."""
    size, mean = float(np.sqrt(np.mean(np.square(F)))), float(np.mean(E))
    start, course = jax.random.split(jax.random.key(seed))
    params = network.init(start, **SIZES, scale_kcal=size, offset_kcal=mean)
    return train(model, params, X, E, F, numbers=NUMBERS, key=course, **(SETTINGS | changes))


def main() -> None:
    """Train on every fifth frame and write the weights beside this file."""
    from mcbook import data

    jax.config.update("jax_enable_x64", True)
    frames = data.ethanol().frames
    result = fit(*(values[::5] for values in frames))
    if result.diverged:
        raise RuntimeError("the training diverged; nothing is written")
    path = Path(__file__).with_name(FILE)
    np.savez(path, weights=np.asarray(ravel_pytree(result.potential.params)[0]))
    print(f"{path.name}: loss {result.losses[-100:].mean():.3g} at the end")


if __name__ == "__main__":
    main()
