"""The learned denoiser: a closed form that is right to begin with, and a network for what it leaves over.

Problem    D(x, sigma, y) ≈ E[x_0 | x, y] for data of which only samples are known
Form       D = D_base + c_out (F + gate ∘ pull)
           D_base  c_skip x (the denoiser of one round Gaussian), or a labelled mixture's, fitted to the data
           F, gate the network's outputs, of the inputs c_in x and (D_base - x)/sigma; zero before training
           pull    what the grey levels say of each pixel by itself (`levels`); absent where there are none
So         before training D is the base exactly, with its density; training is asked for what is missing
Reference  karras2022 (the form with the round Gaussian)
Symbols    x (n, ...) of any trailing shape for a perceptron, (n, H, W) for a convolutional network; labels
           0 … C - 1 are classes, C says no class
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mcbook.diffusion import _checks, convolution, network
from mcbook.diffusion import labelled as named
from mcbook.diffusion import levels as grey
from mcbook.diffusion.labelled import Labelled
from mcbook.diffusion.levels import Levels
from mcbook.diffusion.preconditioning import coefficients

Array = Any


class Model(NamedTuple):
    """What is trained (`params`, an Mlp or a Conv) and what is not: base, levels, and the data's spread."""

    params: Any
    base: Labelled | None
    levels: Levels | None
    sigma_data: Any


def init_model(
    key: Any,
    shape: tuple[int, ...],
    *,
    kind: str = "mlp",
    width: int = 256,
    depth: int = 2,
    classes: int = 0,
    base: Labelled | None = None,
    levels: Levels | None = None,
    sigma_data: Any = 1.0,
) -> Model:
    """An untrained model for x (n, *shape), float32.

    Parameters
    ----------
    kind : "mlp", or "conv" for images (H, W).
    width, depth : hidden units and blocks of a perceptron; channels and halvings of a convolutional network.
    base, levels : the closed forms to start from; None: the round Gaussian, no grey levels.

    Raises
    ------
    ValueError : an unknown kind, images not divisible by the stride, a base of another size or fewer classes.
    """
    shape = tuple(_checks.whole(m, "shape") for m in shape)
    sigma_data = _checks.positive(sigma_data, "sigma_data")
    if base is not None and (base.mixture.means.shape[1], len(base.members)) != (np.prod(shape), classes):
        raise ValueError(
            f"base has {base.mixture.means.shape[1]} dimensions and {len(base.members)} classes; the model "
            f"has {int(np.prod(shape))} and {classes}: fit it to the same data and labels."
        )
    p, q, d = 1 + (base is not None), 1 + (levels is not None), int(np.prod(shape))
    if kind == "mlp":
        params: Any = network.init_mlp(key, p * d, q * d, width=width, depth=depth, classes=classes)
    elif kind == "conv":
        params = convolution.init_conv(key, p, q, width=width, levels=depth, classes=classes)
    else:
        raise ValueError(f"kind must be 'mlp' or 'conv', got {kind!r}.")
    base, levels = (jax.tree.map(lambda v: jnp.asarray(v, jnp.float32), part) for part in (base, levels))
    model = Model(params, base, levels, jnp.float32(sigma_data))
    check_shape(model, shape)
    return model


def check_shape(model: Model, shape: tuple[int, ...]) -> None:
    """Raises ValueError if samples of this shape are not what the network takes."""
    if isinstance(model.params, convolution.Conv):
        stride = convolution.stride(model.params)
        if len(shape) != 2 or any(m % stride for m in shape):
            raise ValueError(
                f"the network halves images {len(model.params.down)} times: height and width must be "
                f"divisible by {stride}, got shape {shape}; pad the images, or take a smaller depth."
            )
    else:
        d = model.params.W_in.shape[0] // (1 + (model.base is not None))
        if np.prod(shape) != d:
            raise ValueError(f"the network takes {d} numbers per sample, got shape {shape}.")


def classes_of(model: Model) -> int:
    """How many classes the model knows."""
    return int(model.params.condition.labels.shape[0]) - 1


def closed_form(model: Model, x: Any, sigma: Any, labels: Any) -> Any:
    """D_base (n, ...): what the model is before training; sigma (n,)."""
    if model.base is None:
        return x * _rows(coefficients(sigma, sigma_data=model.sigma_data).skip, x)
    flat = named._denoise(x.reshape(len(x), -1), sigma, model.base, labels)
    return flat.reshape(x.shape)


def apply(model: Model, x: Any, sigma: Any, labels: Any, *, key: Any = None, dropout: Any = 0.0) -> Any:
    """D (n, ...) for x (n, ...), sigma (n,), labels (n,): not validated, to be traced and differentiated."""
    D = closed_form(model, x, sigma, labels)
    c = coefficients(sigma, sigma_data=model.sigma_data)
    inputs = [_rows(c.inp, x) * x] + ([] if model.base is None else [(D - x) / _rows(sigma, x)])
    F = raw(model.params, jnp.stack(inputs, axis=-1), c.noise, labels, key=key, dropout=dropout)
    change = F[..., 0]
    if model.levels is not None:
        change = change + F[..., 1] * grey.pull(x, _rows(sigma, x), model.levels)
    return D + _rows(c.out, x) * change


def raw(params: Any, inputs: Any, c_noise: Any, labels: Any, *, key: Any = None, dropout: Any = 0.0) -> Any:
    """The network's outputs (n, ..., q) for inputs (n, ..., p)."""
    if isinstance(params, convolution.Conv):
        return convolution.apply_conv(params, inputs, c_noise, labels, key=key, dropout=dropout)
    flat = inputs.reshape(len(inputs), -1)
    F = network.apply_mlp(params, flat, c_noise, labels, key=key, dropout=dropout)
    return F.reshape(*inputs.shape[:-1], -1)


def denoise(model: Model, x: Any, sigma: Any, labels: Any = None) -> Float[Array, "n ..."]:
    """E[x_0 | x, y] as the model has learned it, in the precision of x.

    x (n, ...) = x_0 + sigma·noise; sigma > 0, a number or (n,); labels (n,), one for all, or None.
    Raises ValueError for NaN, a shape or labels that the model does not take, sigma not positive.
    """
    x = _checks.samples(x)
    check_shape(model, x.shape[1:])
    if not _checks.traced(sigma) and (not np.all(np.asarray(sigma) > 0) or np.ndim(sigma) > 1):
        raise ValueError(f"sigma must be positive, a number or ({len(x)},); got {sigma}.")
    return _denoise(model, jnp.asarray(x), sigma, named.check_labels(labels, len(x), classes_of(model)))


def learned_denoiser(model: Model, labels: Any = None) -> Callable[[Any, Any], Any]:
    """(x, sigma) ↦ D(x, sigma, labels), compiled: what samplers and likelihood take.

    labels (n,) for batches of n, one for all, or None.
    """
    C = classes_of(model)
    labels = None if labels is None else np.asarray(labels)
    return lambda x, sigma: _denoise(model, x, sigma, named.check_labels(labels, len(x), C))


def precise(model: Model) -> Model:
    """The model in float64 (where JAX has it switched on), for likelihoods."""
    return jax.tree.map(lambda v: jnp.asarray(v, float), model)


def base_of(model: Model) -> Labelled:
    """The labelled mixture that the model started from, in float64.  Raises ValueError if there is none."""
    if model.base is None:
        raise ValueError("the model has no base but the round Gaussian N(0, sigma_data² I).")
    return jax.tree.map(lambda v: np.asarray(v, dtype=float), model.base)


@jax.jit
def _denoise(model, x, sigma, labels):
    sigma = jnp.broadcast_to(jnp.asarray(sigma, x.dtype), (len(x),))
    model = jax.tree.map(lambda v: v.astype(x.dtype), model)
    return apply(model, x, sigma, labels)


def _rows(values: Any, x: Any) -> Any:
    """One value for each row, shaped to stand beside x."""
    return values.reshape((-1,) + (1,) * (x.ndim - 1))
