"""A trained model of one molecule: what it was trained on goes with it, and is checked before it answers.

Problem    E(X) and F = -∇E(X) of geometries, in kcal/mol and kcal/mol/Å, from any model of this chapter
Symbols    X (n, a, 3) Å, atoms are rows
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from mcbook.symmetry import _frames


class Potential(NamedTuple):
    """`model(params, X (a, 3))` gives energy and forces; `numbers` are the atoms that it knows, in order."""

    model: Callable[[Any, Any], tuple[Any, Any]]
    params: Any
    numbers: Int[np.ndarray, " a"]


class EnergiesForces(NamedTuple):
    """One energy and one force matrix for each geometry."""

    energy_kcal: Float[np.ndarray, " n"]
    force_kcal_angstrom: Float[np.ndarray, "n a 3"]


def predict(potential: Potential, X: Any, numbers: Any = None) -> EnergiesForces:
    """Energies and forces at X (n, a, 3) or (a, 3), in Å.

    Parameters
    ----------
    numbers : the atoms of X, if given compared with those that the model was trained on.

    Raises
    ------
    ValueError : no frames, NaN, coincident atoms, lengths that are not in Å, other atoms or another order.
    """
    X = _frames.frames(X)
    a = len(potential.numbers)
    if X.shape[1] != a:
        raise ValueError(f"the model was trained on a molecule of {a} atoms, got {X.shape[1]}.")
    if numbers is not None:
        _frames.same_molecule(numbers, potential.numbers)
    E, F = _compiled(potential.model)(potential.params, jnp.asarray(X))
    return EnergiesForces(np.asarray(E), np.asarray(F))


@lru_cache(maxsize=32)
def _compiled(model):
    return jax.jit(lambda params, X: jax.lax.map(lambda x: model(params, x), X, batch_size=64))


def force_field(potential: Potential) -> Callable[[Any], tuple[Any, Any]]:
    """X (a, 3) -> energy, forces: unchecked and compiled, for `laws` and `dynamics`."""
    return jax.jit(lambda X: potential.model(potential.params, X))
