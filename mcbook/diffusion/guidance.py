"""Guidance: a sum of gradients that pulls a sample towards the class that is wanted.

Bayes      log p(x | y) = log p(x) + log p(y | x) - log p(y), and so
           ∇ log p(x | y) = ∇ log p(x) + ∇ log p(y | x): the score of "a seven" is the score, plus a gradient
Guided     ∇ log p(x) + strength ∇ log p(y | x): strength 1 is Bayes, more is insistence
Classifier log p(y | x_sigma) known: D = D(x) + strength sigma² ∇_x log p(y | x_sigma)
None       the gradient is a difference of two denoisers: D = D(x) + strength (D(x | y) - D(x))
           (ho2022 write w for strength - 1)
Caution    unless strength is 0 or 1 the guided field is no longer the score of one density, noised: samples
           are more typical of their class, and less various
References dhariwal2021, ho2022
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from mcbook.diffusion import _checks
from mcbook.diffusion import labelled as named
from mcbook.diffusion import model as learned
from mcbook.diffusion.labelled import Labelled
from mcbook.diffusion.model import Model

Denoiser = Callable[[Any, Any], Any]


def guided(denoise: Denoiser, denoise_class: Denoiser, strength: Any) -> Denoiser:
    """(x, sigma) ↦ D(x) + strength (D(x | y) - D(x)) of two denoisers.  ValueError for a strength < 0."""
    strength = _strength(strength)

    def denoise_guided(x, sigma):
        D = denoise(x, sigma)
        return D + strength * (denoise_class(x, sigma) - D)

    return denoise_guided


def classifier_guided(
    denoise: Denoiser, log_probability: Callable[[Any, Any], Any], strength: Any
) -> Denoiser:
    """(x, sigma) ↦ D(x) + strength sigma² ∇_x log p(y | x_sigma).

    log_probability : (x, sigma) ↦ log p(y | x_sigma) (n,), each row's from that row alone, for JAX to
        differentiate; sigma a number.
    Raises ValueError for a strength < 0.
    """
    strength = _strength(strength)
    slope = jax.grad(lambda x, sigma: log_probability(x, sigma).sum())
    return lambda x, sigma: denoise(x, sigma) + strength * sigma**2 * slope(x, sigma)


def guided_denoiser(model: Model, labels: Any, strength: Any = 1.0) -> Denoiser:
    """The learned denoiser (x, sigma) ↦ D guided towards labels (n,), or one for all: "draw me a seven".

    Both halves are computed as one batch of 2n.  Raises ValueError for labels that the model does not know,
    a model without classes, a strength < 0.
    """
    strength, C = _strength(strength), learned.classes_of(model)
    labels = np.asarray(labels)
    if C == 0 or labels.dtype.kind not in "iu" or labels.size == 0 or labels.min() < 0 or labels.max() >= C:
        raise ValueError(f"labels must be whole numbers 0 … {C - 1} that the model knows ({C} classes).")

    def denoise_guided(x, sigma):
        return _guided(model, x, sigma, named.check_labels(labels, len(x), C), strength)

    return denoise_guided


def guided_base(base: Labelled, labels: Any, strength: Any = 1.0) -> Denoiser:
    """The same in closed form, of a labelled mixture: no network at all."""
    return guided(
        lambda x, sigma: named.denoise_labelled(x, sigma, base),
        lambda x, sigma: named.denoise_labelled(x, sigma, base, labels),
        strength,
    )


def _strength(value: Any) -> float:
    return _checks.positive(value, "strength") if value else 0.0


@jax.jit
def _guided(model, x, sigma, labels, strength):
    none = jax.numpy.full(len(x), model.params.condition.labels.shape[0] - 1)
    both = learned._denoise(
        model,
        jax.numpy.concatenate([x, x]),
        jax.numpy.broadcast_to(jax.numpy.asarray(sigma, x.dtype), (2 * len(x),)),
        jax.numpy.concatenate([none, labels]),
    )
    D, D_class = both[: len(x)], both[len(x) :]
    return (D + strength * (D_class - D)).astype(x.dtype)
