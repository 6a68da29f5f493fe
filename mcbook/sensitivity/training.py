"""Training the network: minibatches, Adam, early stopping, and our own gradient.

Problem    parameters that predict samples which nobody has shown to them
Objective  ½ mean (ŷ - y)²; decoupled weight decay on the matrices
Gradient   `network.squared_loss_and_grad`, by hand
Solver     optax's Adam, the rate let down along a cosine; kept are the parameters of the epoch with the least
           loss on the validation samples
Reference  kingma2015
"""

from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float

from mcbook.sensitivity import network


class Training(NamedTuple):
    """Parameters and the course, one number per epoch; without validation samples `val_losses` is empty.

    `diverged`: something was no longer finite; the course ends there, the parameters are the best before it.
    """

    params: Any
    losses: Float[np.ndarray, " epochs"]
    val_losses: Float[np.ndarray, " epochs"]
    best_epoch: int
    diverged: bool


def train(
    params: Any,
    X: Any,
    y: Any,
    *,
    rng: np.random.Generator,
    activation: str = "tanh",
    validation: tuple[Any, Any] | None = None,
    epochs: int = 100,
    batch: int = 64,
    rate: int | float = 3e-3,
    decay: int | float = 1e-3,
) -> Training:
    """Train a `Network` on blocks X, each (n, d_b), and answers y (n,).

    Parameters
    ----------
    validation : (X, y) to stop by; never taken from the samples that judge the result.
    rate, decay : of Adam and of the weight decay.

    Raises
    ------
    ValueError : input that `network.loss_and_grad` refuses; fewer samples than a batch; epochs or rate not
        positive.
    """
    name = network._known(activation)
    params, X = network._prepare(params, X)
    y = jnp.asarray(network._targets(y, len(next(iter(X.values())))), params.v.dtype)
    n = len(y)
    if not 1 <= batch <= n or epochs < 1 or not rate > 0:
        raise ValueError(
            f"train expects 1 ≤ batch ≤ n = {n}, epochs ≥ 1, rate > 0; got {batch}, {epochs}, {rate}."
        )
    held_out = None if validation is None else (network._prepare(params, validation[0])[1], validation[1])
    optimiser = _optimiser(epochs * (n // batch), rate, decay)
    state, course, kept, best, diverged = optimiser.init(params), [], (params, -1), np.inf, False
    for e in range(epochs):
        order = jnp.asarray(rng.permutation(n)[: n // batch * batch].reshape(-1, batch))
        params, state, loss = _epoch(params, state, X, y, order, optimiser, name)
        val = np.nan if held_out is None else _judged(params, held_out, name)
        course.append((float(loss), val))
        diverged = not (np.isfinite(loss) and (held_out is None or np.isfinite(val)))
        if diverged:
            break
        if held_out is None or val < best:
            best, kept = val, (params, e)
    losses, val_losses = np.array(course, dtype=float).T
    return Training(kept[0], losses, val_losses if held_out else np.zeros(0), kept[1], diverged)


@partial(jax.jit, static_argnames=("optimiser", "activation"))
def _epoch(params, state, X, y, order, optimiser, activation):
    def step(carry, at):
        params, state = carry
        here = {name: block[at] for name, block in X.items()}
        loss, grad = network.squared_loss_and_grad(params, here, y[at], activation)
        update, state = optimiser.update(grad, state, params)
        return (optax.apply_updates(params, update), state), loss

    (params, state), losses = jax.lax.scan(step, (params, state), order)
    return params, state, losses.mean()


def _judged(params, held_out, activation) -> float:
    X, y = held_out
    gap = np.asarray(network._predict(params, X, activation)) - np.asarray(y)
    return float((gap**2).mean() / 2)


@lru_cache
def _optimiser(steps: int, rate: float, decay: float) -> optax.GradientTransformation:
    """One object for the same settings, so that a second training compiles nothing again."""
    return optax.adamw(
        optax.cosine_decay_schedule(rate, steps),
        weight_decay=decay,
        mask=lambda params: jax.tree.map(lambda p: p.ndim > 1, params),
    )
