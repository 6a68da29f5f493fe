"""Schedules of few numbers: theta (k,), mostly logarithms, to a `Schedule` of T steps.

Problem    rates must be positive and differ by powers of ten, and T of them are many to learn from few runs:
           descend in logarithms, along shapes with fewer numbers
Learned    per_step, below (a bound), piecewise_linear, piecewise_constant, falling (never rises),
           every_part (momenta and decays as well)
By hand    constant, cosine, drops (the step schedule), one_cycle: what people tune; few numbers, in a box
Chain rule ∂/∂theta = the transpose of d schedule/d theta on each step's derivative: JAX's vjp of the shape
References smith2019, loshchilov2017
Symbols    T steps; k numbers in theta; s = (t + ½)/T in (0, 1), the share of the run that is over
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mcbook.schedules import _checks
from mcbook.schedules.run import Array, Schedule


class Shape(NamedTuple):
    """A family of schedules of T steps.  `shape(theta)` is a `Schedule`; shapes with equal fields are equal.

    box: bounds (k, 2) of theta within which to search, as nested tuples.  momentum, decay: one number for all
    steps, or None where the run has none.
    """

    name: str
    rule: Callable[[Any, int], Schedule]
    T: int
    box: tuple[tuple[float, float], ...]
    momentum: float | int | None = None
    decay: float | int | None = None

    def __call__(self, theta: Float[Array, " k"]) -> Schedule:
        found = self.rule(theta, self.T)
        rates = found.rates

        def filled(own, number):
            return own if number is None else jnp.full(self.T, number, rates.dtype)

        return Schedule(rates, filled(found.momenta, self.momentum), filled(found.decays, self.decay))

    @property
    def size(self) -> int:
        """k, how many numbers theta has."""
        return len(self.box)

    def longer(self, T: int) -> "Shape":
        """The same shape over T steps (of a per-step shape: an error, its numbers are the steps)."""
        if self.rule is _per_step or self.name.startswith("below"):
            raise ValueError("a schedule per step has no longer form; stretch the schedule with `stretched`.")
        return self._replace(T=_checks.whole(T, "T"))


RATES = (float(np.log(1e-3)), float(np.log(10)))  # where to look for a rate, in logarithms
MOMENTA = (-4.0, 5.0)  # logits: from 0.018 to 0.993
DECAYS = (float(np.log(1e-7)), float(np.log(1e-1)))


def stretched(schedule: Schedule, T: int) -> Schedule:
    """The schedule over T steps: log rates interpolated linearly in the share of the run; others alike."""
    _checks.whole(T, "T")
    old = len(schedule.rates)

    def at(values):
        return np.interp((np.arange(T) + 0.5) / T, (np.arange(old) + 0.5) / old, np.asarray(values, float))

    floor = np.finfo(float).tiny
    rates = np.exp(at(np.log(np.maximum(np.asarray(schedule.rates, float), floor))))
    return Schedule(rates, *(None if part is None else at(part) for part in schedule[1:]))


def per_step(T: int, **both: float | int | None) -> Shape:
    """A number for each step: theta_t = log eta_t."""
    return _shape("per_step", _per_step, T, _checks.whole(T, "T") * (RATES,), both)


def below(T: int, top: float | int, **both: float | int | None) -> Shape:
    """A number for each step, and no rate above `top`: eta_t = top σ(theta_t)."""
    box = _checks.whole(T, "T") * ((-8.0, 8.0),)
    return _shape(f"below {float(top):g}", _below(_checks.positive(top, "top")), T, box, both)


def piecewise_linear(T: int, knots: int = 12, **both: float | int | None) -> Shape:
    """log eta linear between knots that are spread evenly over the run, the ends among them."""
    return _shape("piecewise_linear", _linear, T, _checks.whole(knots, "knots", least=2) * (RATES,), both)


def piecewise_constant(T: int, pieces: int = 8, **both: float | int | None) -> Shape:
    """log eta constant on pieces of nearly equal length; pieces need not divide T."""
    if not _checks.whole(pieces, "pieces") <= _checks.whole(T, "T"):
        raise ValueError(f"{pieces} pieces need at least as many steps, got T = {T}.")
    return _shape("piecewise_constant", _pieces, T, pieces * (RATES,), both)


def falling(T: int, knots: int = 12, **both: float | int | None) -> Shape:
    """Piecewise linear in log eta, and never rising: theta = (log eta at the start, logs of the falls)."""
    knots = _checks.whole(knots, "knots", least=2)
    return _shape("falling", _falling, T, (RATES, *(knots - 1) * ((-8.0, 2.0),)), both)


def every_part(T: int, knots: int = 12) -> Shape:
    """Rates, momenta and decays, each piecewise linear: log eta, logit beta, log lam in turn."""
    knots = _checks.whole(knots, "knots", least=2)
    boxes = (RATES, MOMENTA, DECAYS)
    return _shape("every_part", _every_part, T, tuple(box for box in boxes for _ in range(knots)), {})


def constant(T: int, **both: float | int | None) -> Shape:
    """theta = (log eta,)."""
    return _shape("constant", _constant, T, (RATES,), both)


def cosine(T: int, **both: float | int | None) -> Shape:
    """Down half a cosine: theta = (log eta at first, log of the share that is left at last)."""
    return _shape("cosine", _cosine, T, (RATES, (-10.0, 0.0)), both)


def drops(T: int, **both: float | int | None) -> Shape:
    """Times gamma at each multiple of a stretch: theta = (log eta, log gamma, stretch as a share of T)."""
    return _shape("drops", _drops, T, (RATES, (-4.0, 0.0), (0.05, 1.0)), both)


def one_cycle(T: int, **both: float | int | None) -> Shape:
    """Up and down half cosines: theta = (log of the peak, share of the way up, logs of both ends' shares)."""
    return _shape("one_cycle", _one_cycle, T, (RATES, (0.02, 0.9), (-5.0, 0.0), (-10.0, 0.0)), both)


def with_momentum(shape: Shape) -> Shape:
    """The shape with one momentum and one decay to be chosen too: (theta, logit beta, log lam)."""
    return shape._replace(
        name=f"{shape.name} with momentum",
        rule=_with_momentum(shape.rule),
        box=(*shape.box, MOMENTA, DECAYS),
        momentum=None,
        decay=None,
    )


def _shape(name: str, rule: Any, T: int, box: Any, both: dict[str, Any]) -> Shape:
    unknown = set(both) - {"momentum", "decay"}
    if unknown:
        raise ValueError(f"a shape takes momentum and decay, got {sorted(unknown)}.")
    return Shape(name, rule, _checks.whole(T, "T"), box, both.get("momentum"), both.get("decay"))


def share(T: int) -> Float[np.ndarray, " T"]:
    """s = (t + ½)/T."""
    return (np.arange(T) + 0.5) / T


@lru_cache(maxsize=64)
def hats(T: int, knots: int) -> Float[np.ndarray, "T knots"]:
    """Piecewise linear hat functions at the steps; rows sum to one."""
    place = np.linspace(0, 1, T) * (knots - 1) if T > 1 else np.zeros(1)
    return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(knots)[None]))


def _per_step(theta, T):
    return Schedule(jnp.exp(theta))


@lru_cache(maxsize=16)
def _below(top):
    return lambda theta, T: Schedule(top * jax.nn.sigmoid(theta))


def _linear(theta, T):
    return Schedule(jnp.exp(jnp.asarray(hats(T, len(theta)), theta.dtype) @ theta))


def _pieces(theta, T):
    return Schedule(jnp.exp(theta[np.arange(T) * len(theta) // T]))


def _falling(theta, T):
    falls = jnp.concatenate([jnp.zeros(1, theta.dtype), jnp.cumsum(jnp.exp(theta[1:]))])
    return _linear(theta[0] - falls, T)


def _every_part(theta, T):
    knots = len(theta) // 3
    eta, beta, lam = (jnp.asarray(hats(T, knots), theta.dtype) @ part for part in theta.reshape(3, knots))
    return Schedule(jnp.exp(eta), jax.nn.sigmoid(beta), jnp.exp(lam))


@lru_cache(maxsize=16)
def _with_momentum(rule):
    def both(theta, T):
        ones = jnp.ones(T, theta.dtype)
        rates = rule(theta[:-2], T).rates
        return Schedule(rates, jax.nn.sigmoid(theta[-2]) * ones, jnp.exp(theta[-1]) * ones)

    return both


def _constant(theta, T):
    return Schedule(jnp.exp(theta[0]) * jnp.ones(T, theta.dtype))


def _cosine(theta, T):
    end = jnp.exp(theta[1])
    down = jnp.asarray((1 + np.cos(np.pi * share(T))) / 2, theta.dtype)
    return Schedule(jnp.exp(theta[0]) * (end + (1 - end) * down))


def _drops(theta, T):
    times = jnp.floor(jnp.asarray(share(T), theta.dtype) / theta[2])
    return Schedule(jnp.exp(theta[0] + theta[1] * times))


def _one_cycle(theta, T):
    s, first, last = jnp.asarray(share(T), theta.dtype), jnp.exp(theta[2]), jnp.exp(theta[3])
    up = first + (1 - first) * (1 - jnp.cos(jnp.pi * s / theta[1])) / 2
    down = last + (1 - last) * (1 + jnp.cos(jnp.pi * (s - theta[1]) / (1 - theta[1]))) / 2
    return Schedule(jnp.exp(theta[0]) * jnp.where(s < theta[1], up, down))
