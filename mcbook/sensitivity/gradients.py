"""Gradients as attributions: plain, times the input, and averaged over noise.

Problem    which features of x does the model's answer f(x) hang on, to first order?
Gradient   g = ∇f(x): df = ⟨g, dx⟩. It answers "what if x moved a little", not "what made f(x) what it is":
           where f saturates g is small although x decides.
×input     g ⊙ (x - b): the linear forecast of f(x) - f(b), feature by feature; exact for a linear f
SmoothGrad (1/K) Σ_k ∇f(x + ε_k), ε_k ~ N(0, σ²): the gradient of f blurred by a Gaussian (smilkov2017)
Symbols    X (n, ...) or a dict of blocks; b the baseline
"""

from functools import partial
from typing import Any

import jax
import numpy as np

from mcbook.sensitivity import _checks, _layout


def gradients(f: Any, X: Any) -> Any:
    """∇f at each sample of X (n, ...), in X's structure: a gradient has the shape of its variable.

    Raises ValueError for a model that returns no scalar, and for X of integers, NaN, or uneven blocks.
    """
    given = _checks.rows(X)
    f = _checks.scalar(f, given)
    return _layout.samples(np.asarray(_layout.gradients(f, *given)), given.layout)


def gradient_times_input(f: Any, X: Any, *, baseline: Any = 0.0) -> Any:
    """∇f(x) ⊙ (x - b) at each sample; sums to f(x) - f(b) where f is linear, and only there.

    `baseline`: a number, one sample, or one per sample.  Raises ValueError as `gradients`, and for a baseline
    of another shape.
    """
    given = _checks.rows(X)
    f, b = _checks.scalar(f, given), _checks.baseline(baseline, given)
    return _layout.samples(np.asarray(_layout.gradients(f, *given) * (given.Z - b)), given.layout)


def smoothgrad(f: Any, X: Any, *, sigma: Any, key: Any, draws: int = 50) -> Any:
    """The mean gradient over `draws` Gaussian displacements of each sample.

    Parameters
    ----------
    sigma : standard deviation of the noise, a number or an array/dict of the shape of one sample; in the
        features' units, so one number suits features of one scale only.
    key : a JAX random key.

    Raises
    ------
    ValueError : as `gradients`; sigma negative or of another shape; draws < 1.
    """
    given = _checks.rows(X)
    f = _checks.scalar(f, given)
    sigma = _checks.baseline(sigma, given, "sigma")[0]
    if draws < 1 or not (sigma >= 0).all():
        raise ValueError(f"smoothgrad expects draws ≥ 1 and sigma ≥ 0, got {draws} and {np.asarray(sigma)}.")
    G = _smoothgrad(f, given.Z, sigma, jax.random.split(key, len(given.Z)), given.layout, draws)
    return _layout.samples(np.asarray(G), given.layout)


@partial(jax.jit, static_argnames=("layout", "draws"))
def _smoothgrad(f, Z, sigma, keys, layout, draws):
    grad = jax.grad(lambda z: f(_layout.sample(z, layout)))

    def at(row):
        z, key = row
        noise = sigma[None] * jax.random.normal(key, (draws, *z.shape), z.dtype)
        return jax.vmap(grad)(z[None] + noise).mean(axis=0)

    batch = max(1, _layout.ROWS // (draws * Z.shape[1]))
    return jax.lax.map(at, (Z, keys), batch_size=batch)
