"""Training a denoiser: fresh noise at every step, averaged weights, and a checkpoint that survives.

Problem    weights whose denoiser is good on samples that nobody has shown to them
Objective  `matching.matching_loss`, sigma uniform in log sigma; grey levels are dequantised anew at each
           step; a share `unlabelled` of labels is hidden, so that one network learns D(x | y) and D(x)
Gradient   JAX's
Solver     optax's AdamW, the gradient's norm clipped to 1, the rate warmed up and let down along a cosine.
           What is returned is the exponential moving average of the weights:
           average ← a·average + (1 - a)·weights, a growing to `ema`
Seeds      step i draws from fold_in(key, i): a run that was killed and resumed has the same weights, to the
           bit, as one that was not
References kingma2015, karras2022, ho2022 (hidden labels)
"""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float

from mcbook import _checkpoint as checkpoint
from mcbook.diffusion import _checks, matching
from mcbook.diffusion import labelled as named
from mcbook.diffusion import model as learned
from mcbook.diffusion.model import Model


class Settings(NamedTuple):
    """How to train; `every` steps are compiled as one, and saved and judged after."""

    steps: int = 2000
    batch: int = 128
    rate: float = 2e-3
    decay: float = 1e-2
    dropout: float = 0.1
    unlabelled: float = 0.3
    ema: float = 0.998
    sigma_min: float = 0.005
    sigma_max: float = 10.0
    every: int = 250


DEFAULT = Settings()


class State(NamedTuple):
    """All that a resumed run needs: weights, their average, the optimiser's memory, step, and the course."""

    params: Any
    average: Any
    optimiser: Any
    step: Any
    losses: Any
    gains: Any


class Training(NamedTuple):
    """The model with averaged weights, and the course, one number for each `every` steps.

    gains: bits per dimension over the base on the validation samples (`matching.gain`), NaN without any.
    diverged: loss or weights were no longer finite; the course ends there, with the weights from before.
    """

    model: Model
    losses: Float[np.ndarray, " m"]
    gains: Float[np.ndarray, " m"]
    steps: int
    diverged: bool


def train(
    model: Any,
    data: Any,
    labels: Any = None,
    *,
    key: Any,
    settings: Settings = DEFAULT,
    validation: tuple[Any, Any] | None = None,
    path: Any = None,
    until: Any = None,
    progress: bool = False,
) -> Training:
    """Train a model on data (n, ...): whole grey levels where it has levels, else scaled to its sigma_data.

    Parameters
    ----------
    labels : (n,) classes 0 … C - 1, or None.
    validation : (data, labels), judged without labels; never part of what judges the result.
    path : a checkpoint, written after each `every` steps; where it exists the run goes on from it.
    until : stop after so many steps (a multiple of `every`), the rest being left to a later call.
    progress : show a bar (tqdm).

    Raises
    ------
    ValueError : data that are NaN, of the wrong shape, not scaled, no grey levels; settings out of range; a
        checkpoint that is truncated, of another architecture or of another run.
    """
    data, labels = _prepared(model, data, labels)
    settings = _settled(settings)
    chunks = settings.steps // settings.every
    last = chunks if until is None else min(_checks.whole(until, "until") // settings.every, chunks)
    described = _described(model, data, labels, key, settings)
    state, frozen = _begin(model, settings), model._replace(params=None)
    if path is not None and Path(path).exists():
        state = jax.tree.map(jnp.asarray, checkpoint.load(path, state, described))
    run, diverged = _course(settings), False
    for i in _bar(range(int(state.step) // settings.every, last), settings.every, progress):
        params, average, memory, loss = run(state[:3], frozen, data, labels, key, i * settings.every)
        diverged = not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((params, loss)))
        if diverged:
            break
        judged = _judged(model._replace(params=average), validation, settings)
        step = jnp.int32((i + 1) * settings.every)
        losses, gains = state.losses.at[i].set(loss), state.gains.at[i].set(judged)
        state = State(params, average, memory, step, losses, gains)
        if path is not None:
            checkpoint.save(path, state, described)
    done = int(state.step) // settings.every
    losses, gains = np.asarray(state.losses)[:done], np.asarray(state.gains)[:done]
    return Training(model._replace(params=state.average), losses, gains, int(state.step), bool(diverged))


def _bar(chunks: range, every: int, progress: bool) -> Any:
    if not progress:
        return chunks
    from tqdm.auto import tqdm

    return tqdm(chunks, desc=f"training, {every} steps each", unit="chunk")


def _begin(model: Model, settings: Settings) -> State:
    m = settings.steps // settings.every
    params = jax.tree.map(jnp.asarray, model.params)
    nothing = jnp.full(m, jnp.nan, jnp.float32)
    return State(params, params, jax.jit(_optimiser(settings).init)(params), jnp.int32(0), nothing, nothing)


@lru_cache(maxsize=16)
def _optimiser(settings: Settings) -> optax.GradientTransformation:
    """AdamW at rate 1, weight decay on the matrices, behind a clipped gradient."""
    matrices = lambda params: jax.tree.map(lambda leaf: leaf.ndim > 1, params)  # noqa: E731
    return optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.scale_by_adam(b2=0.99),
        optax.add_decayed_weights(settings.decay, mask=matrices),
    )


@lru_cache(maxsize=16)
def _course(settings: Settings) -> Any:
    """The compiled `every` steps: (carry, frozen, data, labels, key, start) -> carry…, mean loss."""

    def step(carry, i, frozen, data, labels, key):
        params, average, memory = carry
        none = params.condition.labels.shape[0] - 1
        batch = _batch(jax.random.fold_in(key, i), frozen, data, labels, none, settings)

        def loss(params):
            return matching.matching_loss(
                frozen._replace(params=params), *batch[:4], key=batch[4], dropout=settings.dropout
            )

        value, grad = jax.value_and_grad(loss)(params)
        change, memory = _optimiser(settings).update(grad, memory, params)
        rate = settings.rate * _schedule(i, settings.steps)
        params = jax.tree.map(lambda p, c: (p - rate * c).astype(p.dtype), params, change)
        a = jnp.minimum(settings.ema, (1.0 + i) / (10.0 + i)).astype(jnp.float32)
        average = jax.tree.map(lambda old, new: (a * old + (1 - a) * new).astype(old.dtype), average, params)
        return (params, average, memory), value

    @jax.jit
    def run(carry, frozen, data, labels, key, start):
        steps = start + jnp.arange(settings.every)
        carry, values = jax.lax.scan(lambda c, i: step(c, i, frozen, data, labels, key), carry, steps)
        return *carry, values.mean()

    return run


def _batch(key, frozen, data, labels, none, settings):
    """x0, noise, sigma, labels and a key for the dropout, of one step; label `none` says no class."""
    pick, cell, noise, level, hide, drop = jax.random.split(key, 6)
    rows = jax.random.randint(pick, (settings.batch,), 0, len(data))
    x0 = matching.dequantised(cell, data[rows], frozen)
    sigma = matching.spread_sigmas(level, settings.batch, settings.sigma_min, settings.sigma_max)
    hidden = jax.random.uniform(hide, (settings.batch,)) < settings.unlabelled
    y = jnp.where(hidden, none, labels[rows])
    return x0, jax.random.normal(noise, x0.shape, jnp.float32), sigma, y, drop


def _schedule(i: Any, steps: int) -> Any:
    """Share of the rate at step i: up over a twentieth of the steps, down along half a cosine to 1/50."""
    up = jnp.minimum(1.0, (i + 1) / (0.05 * steps))
    return up * (0.02 + 0.98 * 0.5 * (1 + jnp.cos(jnp.pi * i / steps)))


def _judged(model: Model, validation: tuple[Any, Any] | None, settings: Settings) -> float:
    """Bits per dimension over the base on the validation samples, the same noise each time."""
    if validation is None:
        return np.nan
    low, high = settings.sigma_min, settings.sigma_max
    key = jax.random.key(0)
    return matching.gain(model, validation[0], key=key, sigma_min=low, sigma_max=high, draws=32).bits


def _prepared(model: Any, data: Any, labels: Any) -> tuple[Any, Any]:
    """Checked data as float32 and labels as int32, C for none.  Raises ValueError."""
    if not isinstance(model, Model):
        raise ValueError(f"model must be a Model, made by init_model; got {type(model).__name__}.")
    data = _checks.reals(data, "data")
    if data.ndim < 2 or len(data) == 0:
        raise ValueError(f"data must be (n, ...), rows are samples; got shape {data.shape}.")
    learned.check_shape(model, data.shape[1:])
    if model.levels is None:
        _scaled(data, float(model.sigma_data))
    else:
        _levels(data, len(model.levels.shares))
    labels = named.check_labels(labels, len(data), learned.classes_of(model))
    return jnp.asarray(data, jnp.float32), jnp.asarray(labels, jnp.int32)


def _scaled(data: np.ndarray, sigma_data: float) -> None:
    spread = float(data.std())
    if not sigma_data / 3 < spread < 3 * sigma_data:
        raise ValueError(
            f"data are not scaled: their standard deviation is {spread:.3g}, the model's sigma_data "
            f"{sigma_data:.3g}. Divide the data by {spread / sigma_data:.3g}, or build the model with "
            f"sigma_data={spread:.3g}."
        )


def _levels(data: np.ndarray, L: int) -> None:
    if (data != np.round(data)).any() or data.min() < 0 or data.max() >= L:
        raise ValueError(
            f"the model has {L} grey levels, so data must be whole numbers 0 … {L - 1}; got values from "
            f"{data.min():.4g} to {data.max():.4g}. Give the pixels as they are, not scaled or dequantised: "
            "training adds the uniform noise itself."
        )


def _settled(settings: Settings) -> Settings:
    """Settings as hashable Python numbers.  Raises ValueError for what is out of range."""
    whole = {name: _checks.whole(getattr(settings, name), name) for name in ("steps", "batch", "every")}
    low, high = _checks.ascending(settings.sigma_min, settings.sigma_max, ("sigma_min", "sigma_max"))
    others = {
        name: float(getattr(settings, name)) for name in ("rate", "decay", "dropout", "unlabelled", "ema")
    }
    given: dict[str, Any] = {**whole, **others, "sigma_min": low, "sigma_max": high}
    settings = Settings(**given)
    shares = (settings.dropout, settings.ema)
    fine = min(shares) >= 0 and max(shares) < 1 and 0 <= settings.unlabelled <= 1
    if not (fine and 0 < settings.rate < 1 and settings.decay >= 0 and settings.steps % settings.every == 0):
        raise ValueError(
            f"train expects 0 ≤ dropout, ema < 1, 0 ≤ unlabelled ≤ 1, 0 < rate < 1, decay ≥ 0 and steps a "
            f"multiple of every; got {settings}."
        )
    return settings


def _described(model: Model, data: Any, labels: Any, key: Any, settings: Settings) -> dict[str, Any]:
    """What a run is: its settings, its seed, its data and its start, for a checkpoint to be told apart."""
    sha = hashlib.sha256()
    for leaf in [data, labels, *jax.tree.leaves(model)]:
        sha.update(np.ascontiguousarray(leaf).tobytes())
    seed = np.asarray(jax.random.key_data(key)).tolist()
    return {**settings._asdict(), "key": seed, "data_and_start": sha.hexdigest()}
