"""A mixture whose components have names: one Gaussian for each digit, without network or iterations.

Problem    a closed-form denoiser that knows classes: p(x) = Σ_y p(y) p(x | y), each p(x | y) a mixture
Fit        one Gaussian per class: mean and covariance of its images, the covariance drawn towards what the
           classes share, C_y ← (1 - shrink) C_y + shrink C̄; dequantisation adds w²/12 to every variance
Denoiser   D(x | y): the mixture's, with the components of other classes left out
Classes    log p(y | x_sigma) = log p_sigma(x, y) - log p_sigma(x), and so
           D(x | y) - D(x) = sigma² ∇_x log p(y | x_sigma): guidance, exactly
Reference  friedman1989 (Gaussians with covariances drawn towards a common one)
Symbols    K components, C classes; label C stands for "no class said"
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Float

from mcbook.diffusion import _checks, mixtures
from mcbook.diffusion.mixtures import Mixture

Array = Any


class Labelled(NamedTuple):
    """A mixture, and which components belong to a class: members (C, K), of zeros and ones."""

    mixture: Mixture
    members: Any


def labelled(mix: Mixture, classes: Any) -> Labelled:
    """The mixture with a class 0 … C - 1 for each component.  Raises ValueError."""
    classes = np.asarray(classes)
    K = len(mix.weights)
    if classes.shape != (K,) or classes.dtype.kind not in "iu" or classes.min() < 0:
        raise ValueError(
            f"classes must be {K} whole numbers from 0 on, one for each component of the mixture."
        )
    members = (classes[None, :] == np.arange(classes.max() + 1)[:, None]).astype(float)
    if not members.any(axis=1).all():
        raise ValueError(
            f"class {int(members.sum(1).argmin())} has no component; number the classes 0 … C - 1."
        )
    return Labelled(mix, members)


def gaussians_by_class(x: Any, labels: Any, *, shrink: Any = 0.1, extra: Any = 0.0) -> Labelled:
    """One Gaussian for each class of x (n, d), labels (n,) 0 … C - 1.

    Parameters
    ----------
    shrink : 0 … 1, how far each covariance is drawn towards the mean of all.
    extra : variance added in every direction, such as w²/12 for cells of width w.

    Raises ValueError for shapes that do not fit, a class of fewer than two samples, settings out of range.
    """
    x = _checks.reals(x, "x")
    labels = _whole_labels(labels, len(x))
    shrink, extra = float(shrink), float(extra)
    if x.ndim != 2 or not 0 <= shrink <= 1 or not 0 <= extra < np.inf:
        raise ValueError(f"expected x (n, d), 0 ≤ shrink ≤ 1, extra ≥ 0; got {x.shape}, {shrink}, {extra}.")
    counts = np.bincount(labels)
    if counts.min() < 2:
        raise ValueError(f"class {int(counts.argmin())} has {counts.min()} sample(s); each needs at least 2.")
    groups = [x[labels == y] for y in range(len(counts))]
    C = np.stack([np.cov(group.T, bias=True).reshape(x.shape[1], -1) for group in groups])
    weights = counts / len(x)
    common = np.einsum("k,kij->ij", weights, C)
    C = (1 - shrink) * C + shrink * common + extra * np.eye(x.shape[1])
    mix = mixtures.mixture(weights, np.stack([group.mean(0) for group in groups]), C)
    return labelled(mix, np.arange(len(counts)))


def denoise_labelled(x: Any, sigma: Any, base: Labelled, labels: Any = None) -> Float[Array, "n d"]:
    """E[x_0 | x, y] (n, d); sigma a number or (n,); labels (n,) 0 … C, C or None: no class said.

    Raises ValueError as `denoise_mixture` does, and for labels out of range.
    """
    x, _ = mixtures._checked(x, base.mixture, sigma)
    labels = check_labels(labels, len(x), len(base.members))
    return _denoise(x, jnp.asarray(sigma), base, labels)


def log_density_labelled(
    x: Any, base: Labelled, labels: Any = None, *, sigma: Any = 0.0
) -> Float[Array, " n"]:
    """log p_sigma(x | y) (n,) in nats; without labels log p_sigma(x).  Raises ValueError."""
    x, _ = mixtures._checked(x, base.mixture, sigma)
    labels = check_labels(labels, len(x), len(base.members))
    return _log_density(x, jnp.asarray(sigma), base, labels)


def class_log_probability(x: Any, sigma: Any, base: Labelled) -> Float[Array, "n C"]:
    """log p(y | x_sigma) (n, C).  Raises ValueError."""
    x, _ = mixtures._checked(x, base.mixture, sigma)
    joint = _joint(x, jnp.asarray(sigma), base)[1]
    by_class = logsumexp(joint[:, None, :] + _log(base.members, x.dtype)[None], axis=2)
    return by_class - logsumexp(joint, axis=1, keepdims=True)


def check_labels(labels: Any, n: int, C: int) -> Any:
    """labels as (n,) whole numbers 0 … C, C for none said; a single one serves all.  Raises ValueError."""
    if labels is None:
        return jnp.full(n, C)
    if _checks.traced(labels):
        return labels
    out = np.asarray(labels)
    if out.dtype.kind not in "iu" or out.shape not in ((), (n,)) or out.min() < 0 or out.max() > C:
        raise ValueError(
            f"labels must be whole numbers 0 … {C}, one or ({n},), where {C} says no class; got dtype "
            f"{out.dtype}, shape {out.shape}."
        )
    return jnp.asarray(np.broadcast_to(out, (n,)))


def _whole_labels(labels: Any, n: int) -> np.ndarray:
    out = np.asarray(labels)
    if out.shape != (n,) or out.dtype.kind not in "iu" or out.min() < 0:
        raise ValueError(
            f"labels must be ({n},) whole numbers from 0 on, got dtype {out.dtype}, {out.shape}."
        )
    return out


def _log(members, dtype):
    return jnp.where(jnp.asarray(members) > 0, 0.0, -jnp.inf).astype(dtype)


def _joint(x, sigma, base):
    """z (n, K, d) in the components' axes, log w_k N_k (n, K), and sigma² shaped to broadcast."""
    square = jnp.square(sigma).astype(x.dtype)
    square = square[:, None, None] if square.ndim == 1 else square
    z = mixtures._local(x, base.mixture)
    return z, mixtures._log_joint(z, base.mixture, square), square


def _allowed(joint, base, labels):
    """log w_k N_k with the components of other classes at -∞."""
    members = jnp.concatenate([jnp.asarray(base.members), jnp.ones((1, joint.shape[1]))])
    return joint + _log(members, joint.dtype)[labels]


@jax.jit
def _log_density(x, sigma, base, labels):
    joint = _allowed(_joint(x, sigma, base)[1], base, labels)
    members = jnp.concatenate([jnp.asarray(base.members), jnp.ones((1, len(base.mixture.weights)))])
    prior = jnp.log((members * jnp.asarray(base.mixture.weights)[None]).sum(1))
    return logsumexp(joint, axis=1) - prior[labels].astype(x.dtype)


@jax.jit
def _denoise(x, sigma, base, labels):
    z, joint, square = _joint(x, sigma, base)
    r = jax.nn.softmax(_allowed(joint, base, labels), axis=1)
    variances = jnp.asarray(base.mixture.variances)[None]
    kept = r[:, :, None] * z * (variances / (variances + square))
    return r @ jnp.asarray(base.mixture.means) + _sum_outward(kept, base.mixture)


def _sum_outward(kept, mix):
    """Σ_k of vectors (n, K, d) in the components' axes, in the coordinates (n, d)."""
    return kept.sum(1) if mix.axes is None else jnp.einsum("nkj,kij->ni", kept, mix.axes)
