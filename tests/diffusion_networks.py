"""Tiny problems that the tests of the learned half of diffusion share."""

from typing import Any

import jax
import numpy as np

from mcbook.diffusion import labelled, levels, mixtures
from mcbook.diffusion import model as learned


def two_classes(rng: np.random.Generator, d: int = 4) -> labelled.Labelled:
    """Three Gaussians with covariances in general position; the first two are class 0."""
    A = rng.normal(size=(3, d, d)) / np.sqrt(d)
    C = 0.3 * A @ A.transpose(0, 2, 1) + 0.05 * np.eye(d)
    mix = mixtures.mixture([0.5, 0.2, 0.3], rng.normal(size=(3, d)), C)
    return labelled.labelled(mix, [0, 0, 1])


def untrained(rng: np.random.Generator, kind: str = "mlp", **changes: Any) -> learned.Model:
    """A tiny model of 2 x 2 images in three grey levels and two classes, over `two_classes`."""
    pixels = np.arange(12).reshape(3, 2, 2) % 3
    found = levels.grey_levels(pixels, np.linspace(-1, 1, 4))
    given = {
        "base": two_classes(rng),
        "levels": found,
        "classes": 2,
        "sigma_data": 0.7,
        "width": 8,
        "depth": 1,
    }
    return learned.init_model(jax.random.key(3), (2, 2), kind=kind, **(given | changes))


def shaken(model: learned.Model, seed: int = 0, size: float = 0.3) -> learned.Model:
    """The model with random weights everywhere, so that nothing is zero by construction."""
    leaves, tree = jax.tree.flatten(model.params)
    rng = np.random.default_rng(seed)
    leaves = [np.float32(leaf + size * rng.normal(size=leaf.shape)) for leaf in leaves]
    return model._replace(params=jax.tree.unflatten(tree, leaves))
