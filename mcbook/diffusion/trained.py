"""The network that ships with the book, trained on scikit-learn's digits.

    python -m mcbook.diffusion.trained        # trains it again: a few minutes of one core
Images     1437 digits: those for training and validation together, once all settings had been chosen with the
           second part held out; the 360 test digits were never used
Start      a Gaussian for each class, covariances drawn by SHRINK towards the common one, and the grey levels'
           shares: both computed again when the network is loaded, only weights are stored
Network    convolutional, 48 channels, two halvings: 141 602 weights, float32
Training   `SETTINGS`, seed 0. The page itself trains a smaller one (PAGE_SIZES) with `PAGE`, on the 1150
"""

import hashlib
from importlib import resources
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from mcbook.diffusion import images
from mcbook.diffusion.images import Images
from mcbook.diffusion.model import Model, init_model
from mcbook.diffusion.training import Settings, Training, train

SHRINK = 0.1
SIZES: dict[str, Any] = {"kind": "conv", "width": 48, "depth": 2}
SETTINGS = Settings(steps=3000, every=100, dropout=0.0, decay=1e-3)
PAGE = Settings(steps=300, every=100, dropout=0.0, decay=1e-3)
PAGE_SIZES: dict[str, Any] = SIZES | {"width": 32, "depth": 1}
FILE = "digits.npz"


def untrained(digits: Images, *, seed: int = 0, **changes: Any) -> Model:
    """The model before training: the density of ten Gaussians, exactly.  `changes` go to `init_model`."""
    base, levels, sigma_data = images.starting_point(digits, shrink=SHRINK)
    start = {"classes": len(base.members), "base": base, "levels": levels, "sigma_data": sigma_data}
    settings = SIZES | start | changes
    return init_model(jax.random.key(seed), digits.pixels.shape[1:], **settings)


def fit(
    digits: Images,
    *,
    settings: Settings = PAGE,
    seed: int = 0,
    validation: Images | None = None,
    path: Any = None,
    until: Any = None,
    progress: bool = False,
    **changes: Any,
) -> Training:
    """Train on such images; the arguments are those of `train` and `untrained`.  Raises as they do."""
    start, course = jax.random.split(jax.random.key(seed))
    model = untrained(digits, seed=int(jax.random.randint(start, (), 0, 2**30)), **changes)
    held_out = None if validation is None else (validation.pixels, None)
    return train(
        model,
        digits.pixels,
        digits.labels,
        key=course,
        settings=settings,
        validation=held_out,
        path=path,
        until=until,
        progress=progress,
    )


def trained_digits(path: Any = None) -> Model:
    """The trained network of the digits, 8 x 8 pixels of 17 levels, ten classes.

    path : of other weights that `store` wrote for the same sizes; None: those that ship with the book.

    Source: our own; `python -m mcbook.diffusion.trained` makes it. CC BY 4.0.
    Raises ValueError if the stored weights are not whole.
    """
    path = resources.files("mcbook.diffusion").joinpath(FILE) if path is None else Path(path)
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        weights, sha256 = arrays["weights"], arrays["sha256"].tobytes()
    if hashlib.sha256(weights.tobytes()).digest() != sha256:
        raise ValueError(
            f"{path.name} is damaged: its weights do not have the SHA-256 stored beside them; reinstall."
        )
    split = images.digits()
    model = untrained(images.together(split.train, split.validation))
    flat, unravel = ravel_pytree(model.params)
    if weights.shape != flat.shape:
        raise ValueError(
            f"{path.name} holds {weights.shape} weights, the network has {flat.shape}: train it again."
        )
    return model._replace(params=unravel(jnp.asarray(weights)))


def store(model: Model, path: Any) -> None:
    """Write the weights and their SHA-256."""
    weights = np.asarray(ravel_pytree(model.params)[0], np.float32)
    digest = np.frombuffer(hashlib.sha256(weights.tobytes()).digest(), np.uint8)
    np.savez(path, allow_pickle=False, weights=weights, sha256=digest)


def main() -> None:
    """Train on the 1437 digits and write the weights beside this file."""
    split = images.digits()
    both = images.together(split.train, split.validation)
    result = fit(both, settings=SETTINGS, path=".digits-checkpoint.npz", progress=True)
    if result.diverged:
        raise RuntimeError("the training diverged; nothing is written")
    path = Path(__file__).with_name(FILE)
    store(result.model, path)
    print(f"{path.name}: {path.stat().st_size} bytes, loss {result.losses[-1]:.4f} at the end")


if __name__ == "__main__":
    main()
