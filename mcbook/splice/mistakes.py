"""Backpropagation through time as people get it wrong, to be caught by a check, and not by a training.

Problem    a wrong gradient still lowers the loss; clipping its norm hides that it is wrong
Objective  `networks.loss` of a TwoWay of tanh cells
Gradient   as in `cells.vjp_rnn`, with one mistake on the way:
             transposed      h̄_{t-1} = ā_t W_hᵀ           (right: ā_t W_h)
             pre-activation  ā_t = (1 - a_t²) ∘ h̄_t       (right: (1 - h_t²) ∘ h̄_t)
             no recursion    h̄_{t-1} = 0                   (the loss reaches the last step only)
             wrong time      W̄_h = Σ_t ā_tᵀ h_t           (right: h_{t-1})
Symbols    as in `cells`
"""

from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp

from mcbook.splice import cells, networks

MISTAKES = ("transposed", "pre-activation", "no recursion", "wrong time")


@lru_cache
def wrong_loss_and_grad(mistake: str) -> Any:
    """A function to hand to `train` as loss_and_grad: the loss is right, its gradient is not.

    Raises
    ------
    ValueError : no such mistake (MISTAKES), or, when called, a network that is not a TwoWay of tanh cells.
    """
    if mistake not in MISTAKES:
        raise ValueError(f"there is no mistake {mistake!r}; known are {', '.join(MISTAKES)}.")
    return partial(_loss_and_grad, mistake)


def _loss_and_grad(mistake: str, params: Any, X: Any, y: Any, *, class_weight: Any = None, reach: int = 0):
    """The loss, and a gradient with that mistake in both cells."""
    if not isinstance(params, networks.TwoWay) or not isinstance(params.forward, cells.RNNCell):
        raise ValueError(
            f"{mistake!r} is a mistake in a TwoWay of tanh cells: init_two_way(rng, gated=False)."
        )
    X, y = jnp.asarray(X, params.V.dtype), jnp.asarray(y)
    runs = [_run(cell, x) for cell, x in networks.sides(params, X, reach)]
    last = jnp.concatenate([run[2][-1] for run in runs], axis=1)
    out = last @ params.V.T + params.c[None]
    out_bar = networks.grad_cross_entropy_logits(out, y, class_weight)
    last_bar = jnp.split(out_bar @ params.V, 2, axis=1)
    forward, backward = (_wrong_grad(mistake, run, h_bar) for run, h_bar in zip(runs, last_bar, strict=True))
    grad = networks.TwoWay(forward, backward, out_bar.T @ last, out_bar.sum(0))
    return networks.cross_entropy(out, y, class_weight), grad


def _run(cell: cells.RNNCell, X: Any):
    """The cell, X, the states h_t after each letter and h_{t-1} before it; time first."""
    h_0 = cells.zero_state(cell, X.shape[1])
    H = cells.run(cell, X, h_0)
    return cell, X, H, jnp.concatenate([h_0[None], H[:-1]])


def _wrong_grad(mistake: str, run: Any, h_bar: Any) -> cells.RNNCell:
    """The cell's gradient from h_bar, the cotangent of its last state, with a mistake; time first."""
    cell, X, H, H_before = run
    A = cells.affine(cell, X) + H_before @ cell.W_h.T
    slope = 1 - (A if mistake == "pre-activation" else H) ** 2
    back = {"transposed": cell.W_h.T, "no recursion": jnp.zeros_like(cell.W_h)}.get(mistake, cell.W_h)

    def step(h_bar, slope):
        a_bar = slope * h_bar
        return a_bar @ back, a_bar

    A_bar = jax.lax.scan(step, h_bar, slope, reverse=True)[1]
    met = H if mistake == "wrong time" else H_before
    W_x, W_h = (jnp.einsum("tnh,tnd->hd", A_bar, Z) for Z in (X, met))
    return cells.RNNCell(W_x, W_h, A_bar.sum((0, 1)))
