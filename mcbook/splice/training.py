"""Training a network on windows: minibatches, Adam, early stopping, and our own gradient.

Problem    find parameters that classify windows nobody has shown to them
Objective  `networks.loss`: softmax cross-entropy, weighted by class where classes are rare
Gradient   `networks.grad_loss`, backpropagation through time by hand; never an automatic one
Solver     optax: gradient clipped to a global norm, Adam with decoupled weight decay on the matrices, the
           rate warmed up over a tenth of the steps and then let down along a cosine. Each epoch some letters
           are replaced by N, the row (¼, ¼, ¼, ¼): no single letter can then carry the decision.
Stopping   the parameters returned are those of the epoch with the least loss on the validation windows
References kingma2015, pascanu2013
Symbols    n windows, T letters, k classes, w class weights
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float

from mcbook.splice import _checks, networks


class Training(NamedTuple):
    """What a training gives: parameters, and its course, one number per epoch.

    `grad_norms` are means of the gradient's norm before clipping. Without validation windows `val_losses`
    and `val_accuracies` are empty, and the last epoch's parameters are returned. `diverged`: loss, gradient
    or parameters were no longer finite; then the course ends there and the parameters are the best before it
    (best_epoch -1: those you began with).
    """

    params: Any
    losses: Float[np.ndarray, " epochs"]
    grad_norms: Float[np.ndarray, " epochs"]
    val_losses: Float[np.ndarray, " epochs"]
    val_accuracies: Float[np.ndarray, " epochs"]
    best_epoch: int
    diverged: bool


def class_weights(y: Any, k: int) -> Float[np.ndarray, " k"]:
    """n / (k n_c): each class weighs the same in the loss, however rare.

    Raises ValueError for labels outside 0..k-1 and for a class without windows.
    """
    y = np.asarray(y)
    _checks.labels(y, len(y), k)
    counts = np.bincount(y, minlength=k)
    if not counts.all():
        raise ValueError(
            f"class_weights needs windows of every class; class {int(counts.argmin())} has none."
        )
    return len(y) / (k * counts)


def train(
    params: Any,
    X: Any,
    y: Any,
    *,
    rng: np.random.Generator,
    validation: tuple[Any, Any] | None = None,
    epochs: int = 40,
    batch: int = 64,
    rate: int | float = 3e-3,
    decay: int | float = 1e-4,
    clip: int | float | None = 1.0,
    unknown: int | float = 0.1,
    class_weight: Any = None,
    reach: int = 0,
    loss_and_grad: Callable[..., Any] | None = None,
) -> Training:
    """Train a network on windows X (n, T, d) of classes y (n,), in the precision of `params`.

    Parameters
    ----------
    validation : (X, y) to stop by; never taken from the windows that judge the result.
    rate, decay, clip : of Adam; clip None clips nothing.
    unknown : share of the letters that are replaced by N, anew in each epoch.
    class_weight : one weight per class (`class_weights`), or None.
    reach : letters that a TwoWay reads beyond the junction.
    loss_and_grad : what `networks.loss_and_grad` is; a wrong one (`mistakes`) shows what it does.

    Raises
    ------
    ValueError : input that `networks.loss` refuses; fewer windows than a batch; settings out of range.
    """
    params, X, y = _prepared(params, X, y, class_weight)
    held_out = None if validation is None else _prepared(params, *validation, class_weight)[1:]
    steps = _steps(len(X), batch=batch, epochs=epochs, unknown=unknown, rate=rate)
    optimiser = _optimiser(epochs * steps, rate, decay, clip)
    derivative = loss_and_grad or networks.loss_and_grad
    state, course, kept, best, diverged = optimiser.init(params), [], (params, -1), np.inf, False
    for e in range(epochs):
        rows = rng.permutation(len(X))[: steps * batch].reshape(steps, batch)
        batches = blurred(X[rows], unknown, rng=rng), y[rows]
        params, state, loss, norm = _epoch(params, state, batches, class_weight, optimiser, derivative, reach)
        diverged = not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((params, loss, norm)))
        judged = (np.nan, np.nan) if diverged else _judged(params, held_out, class_weight, reach)
        course.append((float(loss), float(norm), *judged))
        if diverged:
            break
        if held_out is None or judged[0] < best:
            best, kept = judged[0], (params, e)
    losses, norms, *val = (np.array(column, dtype=float) for column in zip(*course, strict=True))
    val = [np.zeros(0)] * 2 if held_out is None else val
    return Training(kept[0], losses, norms, val[0], val[1], kept[1], diverged)


def predict(params: Any, X: Any, *, reach: int = 0) -> Float[np.ndarray, "n k"]:
    """Class probabilities of windows X (n, T, d).  Raises ValueError as `networks.logits` does."""
    _checks.network(params)
    _checks.inputs(X, params[0])
    return _probabilities(params, np.asarray(X), reach)


def blurred(X: Any, unknown: int | float, *, rng: np.random.Generator) -> np.ndarray:
    """X with a share `unknown` of its letters replaced by N, the row (¼, ¼, ¼, ¼)."""
    X = np.array(X)
    X[rng.random(X.shape[:-1]) < unknown] = 1 / X.shape[-1]
    return X


@partial(jax.jit, static_argnames=("optimiser", "derivative", "reach"))
def _epoch(params, state, batches, class_weight, optimiser, derivative, reach):
    """One step per batch: new parameters, the optimiser's state, mean loss and mean norm of the gradient."""

    def step(carry, window):
        params, state = carry
        loss, grad = derivative(params, *window, class_weight=class_weight, reach=reach)
        update, state = optimiser.update(grad, state, params)
        return (optax.apply_updates(params, update), state), (loss, _norm(grad))

    (params, state), (losses, norms) = jax.lax.scan(step, (params, state), batches)
    return params, state, losses.mean(), norms.mean()


def _norm(grad: Any) -> Any:
    """Of all entries of all leaves as one vector."""
    return jnp.sqrt(sum(jnp.vdot(leaf, leaf) for leaf in jax.tree.leaves(grad)))


@lru_cache(maxsize=8)  # the same object for the same settings: compiled once
def _optimiser(steps: int, rate: Any, decay: Any, clip: Any) -> Any:
    """Adam with weight decay on matrices, warm-up and cosine, behind a clipped gradient."""
    schedule = optax.warmup_cosine_decay_schedule(
        0.05 * rate, rate, max(steps // 10, 1), max(steps, 2), 0.01 * rate
    )
    matrices = partial(jax.tree.map, lambda leaf: leaf.ndim > 1)
    adam = optax.adamw(schedule, weight_decay=decay, mask=matrices)
    return adam if clip is None else optax.chain(optax.clip_by_global_norm(clip), adam)


def _judged(params: Any, held_out: Any, class_weight: Any, reach: int) -> tuple[float, float]:
    """Loss and accuracy on the validation windows; NaN without."""
    if held_out is None:
        return np.nan, np.nan
    X, y = held_out
    p = _probabilities(params, X, reach)
    weight = np.ones(len(y)) if class_weight is None else np.asarray(class_weight)[y]
    surprise = -np.log(np.maximum(p[np.arange(len(y)), y], np.finfo(p.dtype).tiny))
    return float(weight @ surprise / weight.sum()), float((p.argmax(1) == y).mean())


def _probabilities(params: Any, X: np.ndarray, reach: int, batch: int = 256) -> np.ndarray:
    """Softmax of the logits, in batches of one shape: any number of windows shares one compilation."""
    found = []
    for start in range(0, len(X), batch):
        rows = X[start : start + batch]
        full = np.concatenate([rows, np.repeat(rows[:1], batch - len(rows), axis=0)])
        found.append(
            np.asarray(jax.nn.softmax(networks.logits(params, full, reach=reach), axis=1))[: len(rows)]
        )
    return np.concatenate(found)


def _prepared(params: Any, X: Any, y: Any, class_weight: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """Checked as by `networks.loss`; parameters as JAX arrays, windows as NumPy's in their precision."""
    k = _checks.network(params)
    _checks.inputs(X, params[0])
    _checks.labels(y, len(X), k)
    _checks.class_weight(class_weight, k)
    params = jax.tree.map(jnp.asarray, params)
    return params, np.asarray(X, params.V.dtype), np.asarray(y)


def _steps(n: int, *, batch: int, epochs: int, unknown: Any, rate: Any) -> int:
    """Batches in an epoch.  Raises ValueError for settings out of range."""
    if not 1 <= batch <= n:
        raise ValueError(f"train needs 1 ≤ batch ≤ n windows, got batch {batch} for {n}; lower batch.")
    if epochs < 1 or not 0 <= unknown < 1 or not rate > 0:
        raise ValueError(
            f"train expects epochs ≥ 1, 0 ≤ unknown < 1 and rate > 0; got {epochs}, {unknown}, {rate}."
        )
    return n // batch
