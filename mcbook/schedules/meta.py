"""Learning a schedule: descend the held-out loss of a training, averaged over seeds.

Problem    min over theta of the mean over seeds of held_out(w_T(shape(theta)))
Gradient   `reverse`, one sweep through each training; the mean over all seeds of the ensemble
Solver     Adam (optax) in theta, which for rates are logarithms; its rate let down along a cosine.  Good
           rates lie close to the edge of stability, where a seed's gradient may explode and say nothing.  So
           no seed's gradient counts for more than LOUDEST times the median over the seeds; and a step that
           made the loss WORSE times the least so far is taken back, and all later ones are shorter by a third
Competitors `tune`: half of the budget spread over the shape's box, the rest ever closer around the best
Cost       in trainings: a hypergradient counts as GRADIENT of them, so that both sides can have one budget
References maclaurin2015, kingma2015
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float

from mcbook import _checkpoint
from mcbook.schedules import _checks
from mcbook.schedules.ensembles import each_core, evaluate, factors, many
from mcbook.schedules.reverse import plan_of
from mcbook.schedules.run import Array, Run

LOUDEST = 3.0  # medians that a seed's gradient may be long
WORSE = 1.1  # times the least loss so far: a step that leads there is taken back
GRADIENT = 5  # trainings that one hypergradient is counted as (measured: 3 to 5 times the time)


class MetaTraining(NamedTuple):
    """A learned theta, and the way to it: `thetas[i]` has the mean loss `losses[i]` on the seeds of step i.

    theta: the one of least loss.  taken_back: the steps at which the loss was so bad that theta went back to
    the best.  diverged: those of them with a training that was not finite; their loss stands as infinite.
    trainings: what it cost.
    """

    theta: Float[np.ndarray, " k"]
    losses: Float[np.ndarray, " steps"]
    thetas: Float[np.ndarray, "steps k"]
    grad_norms: Float[np.ndarray, " steps"]
    taken_back: tuple[int, ...]
    diverged: tuple[int, ...]
    trainings: int


class Tuned(NamedTuple):
    """The best theta found, its mean loss, all that were tried in their order, and what it cost."""

    theta: Float[np.ndarray, " k"]
    loss: float
    thetas: Float[np.ndarray, "n k"]
    losses: Float[np.ndarray, " n"]
    trainings: int


def meta_train(
    runs: Run,
    shape: Any,
    theta: Any,
    *,
    steps: int = 100,
    rate: float | int = 0.1,
    margin: float | int = 0,
    levels: int = 1,
    checkpoint: str | Path | None = None,
    every: int = 10,
    report: Callable[[int, float, Any], None] | None = None,
) -> MetaTraining:
    """Learn theta of a shape by `steps` of Adam on an ensemble's mean held-out loss.

    Parameters
    ----------
    shape : theta -> `Schedule`, differentiable by JAX; such as a `Shape`.
    margin : see `ensembles`; about 0.1 keeps a schedule off the edge of stability.
    levels : of checkpoints in each hypergradient; 1 keeps all states.
    checkpoint : a file, written every `every` steps and at the end, in one piece or not at all; if it is
        there when the training begins, the training goes on from it, as if it had never stopped.
    report : called with the step, its loss and the next theta.

    Raises
    ------
    ValueError : what `mean_hypergradient` refuses; settings out of range; a checkpoint that is broken or
        belongs to another training.
    """
    runs, theta = _checks.run_arrays(runs), np.asarray(_checks.vector(theta, "theta", runs.w.dtype))
    many(runs, shape(jnp.asarray(theta)))
    plan = plan_of(runs.batches.shape[1], _checks.whole(levels, "levels"))
    adam = _adam(_checks.whole(steps, "steps"), _checks.positive(rate, "rate"))
    mark = fingerprint(runs, shape, theta, (steps, rate, margin, levels))
    spread = factors(runs, margin)
    course = _Course(theta, adam.init(jnp.asarray(theta)), [], [], [], ())
    if checkpoint is not None and Path(checkpoint).exists():
        course = load(checkpoint, mark, course)
    for i in range(len(course.losses), steps):
        value, grad = _mean_theta(*runs, jnp.asarray(course.theta), spread, plan, shape)
        fine = bool(np.isfinite(value))
        if not fine and i == 0:
            raise ValueError(
                "a training of the ensemble diverges with the first theta: begin with lower rates "
                "(`evaluate` shows which seeds, `train` the step)."
            )
        course = course.onwards(adam, float(value) if fine else np.inf, grad)
        if report is not None:
            report(i, float(value), course.theta)
        if checkpoint is not None and ((i + 1) % _checks.whole(every, "every") == 0 or i + 1 == steps):
            save(checkpoint, mark, course)
    return course.result(GRADIENT * len(runs.w))


def tune(
    runs: Run, shape: Any, *, trainings: int, rng: np.random.Generator, margin: float | int = 0
) -> Tuned:
    """Search a shape's box for the least mean held-out loss of an ensemble, for the price of `trainings`.

    Half of the trials are uniform in the box; the others are normal around the best so far, their width going
    down from a fifth of the box to a hundredth.  A diverged training counts as infinitely bad.
    """
    runs = _checks.run_arrays(runs)
    n = _checks.whole(trainings, "trainings") // len(runs.w)
    if n < 1:
        raise ValueError(f"a trial trains all {len(runs.w)} seeds; {trainings} trainings are not enough.")
    low, high = np.array(shape.box, float).T
    thetas, losses = np.zeros((n, len(low))), np.full(n, np.inf)
    for i in range(n):
        thetas[i] = rng.uniform(low, high)
        if i >= (n + 1) // 2:
            width = 0.2 * 0.05 ** ((i - n / 2) / (n / 2)) * (high - low)
            thetas[i] = np.clip(thetas[losses.argmin()] + width * rng.normal(size=len(low)), low, high)
        loss = float(evaluate(runs, shape(jnp.asarray(thetas[i], runs.w.dtype)), margin=margin).mean())
        losses[i] = loss if np.isfinite(loss) else np.inf
    best = int(losses.argmin())
    return Tuned(thetas[best], float(losses[best]), thetas, losses, n * len(runs.w))


class _Course(NamedTuple):
    theta: np.ndarray
    state: Any
    losses: list[float]
    thetas: list[np.ndarray]
    grad_norms: list[float]
    taken_back: tuple[int, ...]

    def onwards(self, adam: Any, value: float, grad: Any) -> "_Course":
        """A step of Adam from here, or back to the best place so far with two thirds of the rate."""
        norm, i = float(jnp.linalg.norm(grad)) if np.isfinite(value) else np.inf, len(self.losses)
        seen = [*self.losses, value], [*self.thetas, self.theta], [*self.grad_norms, norm]
        if value > WORSE * min(seen[0]):
            return _Course(self.best(), self.state, *seen, (*self.taken_back, i))
        update, state = adam.update(grad, self.state)
        theta = self.theta + (2 / 3) ** len(self.taken_back) * np.asarray(update)
        return _Course(theta, state, *seen, self.taken_back)

    def arrays(self) -> tuple[Any, ...]:
        """The same as a tree of arrays, as many whatever the step."""
        rest = (np.asarray(part) for part in (self.losses, self.thetas, self.grad_norms))
        return (self.theta, self.state, *rest, np.asarray(self.taken_back, int))

    def best(self) -> np.ndarray:
        """theta of least loss; before the first loss the theta at hand."""
        return self.thetas[int(np.argmin(self.losses))] if self.losses else self.theta

    def result(self, price: int) -> MetaTraining:
        thetas = np.array(self.thetas).reshape(len(self.losses), len(self.theta))
        losses, norms = np.array(self.losses), np.array(self.grad_norms)
        diverged = tuple(np.flatnonzero(np.isinf(losses)).tolist())
        cost = price * len(losses)
        return MetaTraining(self.best(), losses, thetas, norms, self.taken_back, diverged, cost)


def fingerprint(runs: Run, shape: Any, theta: np.ndarray, settings: tuple) -> str:
    """What a checkpoint belongs to: the arrays, the loss's and the shape's names and fields, the settings."""
    digest = hashlib.sha256(repr((settings, _name(runs.loss), _name(shape))).encode())
    for leaf in (theta, *jax.tree.leaves(tuple(runs)[1:])):
        leaf = np.ascontiguousarray(leaf)
        digest.update(f"{leaf.dtype}{leaf.shape}".encode() + leaf.tobytes())
    return digest.hexdigest()


def save(path: str | Path, mark: str, course: _Course) -> None:
    """Write a checkpoint, whole or not at all."""
    _checkpoint.save(path, course.arrays(), {"mark": mark})


def load(path: str | Path, mark: str, fresh: _Course) -> _Course:
    """The course of a checkpoint.  Raises ValueError for one that is cut off or is of another training."""
    header, leaves = _checkpoint.read(path)
    if header["settings"] != {"mark": mark}:
        raise ValueError(
            f"the checkpoint {Path(path).name} belongs to another training (other runs, shape, theta or "
            "settings); name another file, or delete it to begin anew."
        )
    theta, state, losses, thetas, norms, back = jax.tree.unflatten(jax.tree.structure(fresh.arrays()), leaves)
    state = jax.tree.map(jnp.asarray, state)
    return _Course(theta, state, losses.tolist(), list(thetas), norms.tolist(), tuple(back.tolist()))


def _name(what: Any) -> str:
    if isinstance(what, tuple):
        return repr(tuple(_name(part) for part in what))
    return getattr(what, "__qualname__", repr(what)) if callable(what) else repr(what)


@lru_cache(maxsize=16)
def _adam(steps: int, rate: float) -> Any:
    return optax.adam(optax.cosine_decay_schedule(rate, steps, alpha=0.05))


@partial(jax.jit, static_argnums=(0, 7, 8))
def _mean_theta(loss, w, data, batches, held_out, theta, factors, plan, shape):
    schedule, vjp_shape = jax.vjp(shape, theta)
    values, bars = each_core(loss, w, data, batches, held_out, schedule, factors, plan)
    return values.mean(), loud_mean(jax.vmap(lambda bar: vjp_shape(bar)[0])(bars))


def loud_mean(grads: Float[Array, "s k"]) -> Float[Array, " k"]:
    """The mean over seeds, none longer than LOUDEST times the median; one that overflowed is left out."""
    fine = jnp.isfinite(grads).all(axis=1)
    lengths = jnp.where(fine, jnp.linalg.norm(grads, axis=1), jnp.inf)
    share = jnp.minimum(1, LOUDEST * jnp.median(lengths) / jnp.maximum(lengths, 1e-30))
    share = jnp.where(fine, share, 0.0)
    return (share[:, None] * jnp.where(fine[:, None], grads, 0)).mean(axis=0)
