"""Undoing a training: momentum in whole numbers, and the bits that each step would lose.

Problem    reverse mode without the T states: from (w_T, v_T) back to (w_0, v_0), exactly
Step       W, V are whole multiples of 2^-bits.   V ← V beta + round(g + lam w),   W ← W - round(eta V)
           W, and then g, can be had again from what comes after.  The product V beta cannot: it loses
           log₂(1/beta) bits of each entry, and rounding in floats loses them at random.  Here beta = n/2^12,
           and the low bits go into a second whole number, from which the way back takes them:
               I ← 2^12 I + V mod 2^12,   V ← ⌊V/2^12⌋ n + I mod n,   I ← ⌊I/n⌋
           Each of the three is one to one.  When I is near the end of its 64 bits it is put on a pile.
Exact      to the last bit: the same compiled gradient is called on both ways, with the same bits
Derivative of the run as if it did not round; the states are those of the quantised run
Cost       two gradients and a Hessian-vector product a step; log₂(1/beta)/50 words per weight and step kept
Reference  maclaurin2015
Symbols    W, V whole numbers for w, v; I the bits that were lost; n numerator of beta
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from mcbook.schedules import _checks
from mcbook.schedules.run import Array, Run, Schedule, at, first_state, rows_of, step, vjp_step

BITS = 48  # behind the point
SHIFT = 12  # beta = n / 2^SHIFT; V beta is off by up to 2^(SHIFT - BITS)
FULL = 1 << 50  # I beyond this goes onto the pile: 2^SHIFT I has still room
LIMIT = 1 << 61  # W and V beyond this have diverged


class Kept(NamedTuple):
    """The lost bits: I (p,), and the pile of (step, I) that were full."""

    info: Int[np.ndarray, " p"]
    pile: tuple[tuple[int, Int[np.ndarray, " p"]], ...]

    @property
    def words(self) -> int:
        """64-bit words in all."""
        return self.info.size * (1 + len(self.pile))


class Undone(NamedTuple):
    """A run forth and back: loss and weights at its end, derivatives, and what it came back to.

    `exact`: W, V and I came back to what they were, to the last bit.  `words`: the most that was kept.
    """

    loss: float
    grad: Schedule
    w: Float[Array, " p"]
    w_bar: Float[Array, " p"]
    adjoint_norms: Float[Array, " steps"]
    exact: bool
    words: int


def multiply(
    V: Int[np.ndarray, " p"], n: int, info: Int[np.ndarray, " p"]
) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
    """V n/2^12 in whole numbers, and the bits that got lost pushed into info."""
    info = (info << SHIFT) | (V & ((1 << SHIFT) - 1))
    return (V >> SHIFT) * n + info % n, info // n


def divide(
    V: Int[np.ndarray, " p"], n: int, info: Int[np.ndarray, " p"]
) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
    """The inverse of `multiply`."""
    info = info * n + V % n
    return ((V // n) << SHIFT) | (info & ((1 << SHIFT) - 1)), info >> SHIFT


def numerators(momenta: Any) -> Int[np.ndarray, " T"]:
    """n of beta = n/2^12, the nearest.  Raises ValueError where that is zero."""
    if momenta is None or np.min(momenta) * 2**SHIFT < 1:
        raise ValueError(
            "the reversible mode needs momentum: plain gradient descent forgets where it came from. Give "
            f"each step a momentum of at least 2^-{SHIFT}, such as 0.9, or take the checkpoint mode."
        )
    return np.minimum(np.rint(np.asarray(momenta, float) * 2**SHIFT), 2**SHIFT - 1).astype(np.int64)


class _Machine:
    """The steps of one run in whole numbers, forth and back."""

    def __init__(self, run: Run, schedule: Schedule) -> None:
        self.run, self.n = run, numerators(schedule.momenta)
        dtype = run.w.dtype
        self.schedule = schedule._replace(momenta=jnp.asarray(self.n / 2**SHIFT, dtype))
        self.eta = np.asarray(schedule.rates, float)
        self.lam = None if schedule.decays is None else np.asarray(schedule.decays, float)

    def push(self, t: int, W: np.ndarray) -> np.ndarray:
        """round(g_t + lam_t w_t), from W alone: the same bits on both ways."""
        w = self.floats(W)
        g = np.asarray(_grad(self.run.loss, w, self.run.data, self.run.batches, t), float)
        if self.lam is not None:
            g = g + self.lam[t] * W * 2.0**-BITS
        return whole(g, t)

    def forth(self, t: int, W: np.ndarray, V: np.ndarray, kept: Kept) -> tuple[np.ndarray, np.ndarray, Kept]:
        info, pile = kept
        if info.max() >= FULL:
            info, pile = np.zeros_like(info), (*pile, (t, info))
        push = self.push(t, W)
        V, info = multiply(V, int(self.n[t]), info)
        V = V + push
        return W - whole(self.eta[t] * V * 2.0**-BITS, t), V, Kept(info, pile)

    def back(self, t: int, W: np.ndarray, V: np.ndarray, kept: Kept) -> tuple[np.ndarray, np.ndarray, Kept]:
        info, pile = kept
        W = W + whole(self.eta[t] * V * 2.0**-BITS, t)
        V, info = divide(V - self.push(t, W), int(self.n[t]), info)
        if pile and pile[-1][0] == t:
            info, pile = pile[-1][1], pile[:-1]
        return W, V, Kept(info, pile)

    def floats(self, W: np.ndarray) -> Any:
        return jnp.asarray(W * 2.0**-BITS, self.run.w.dtype)


def whole(x: Float[np.ndarray, " p"], t: int = 0) -> Int[np.ndarray, " p"]:
    """x in multiples of 2^-bits, rounded.  Raises ValueError where that is no 62-bit number any more."""
    scaled = x * 2.0**BITS
    if not (np.abs(scaled) < LIMIT).all():
        raise ValueError(
            f"the training diverged at step {t}: a weight, a velocity or a gradient is no longer finite, or "
            f"beyond ±2^{61 - BITS}, the range of fixed point; lower the rates up to step {t}."
        )
    return np.rint(scaled).astype(np.int64)


def reversible(run: Run, schedule: Schedule) -> Undone:
    """The hypergradient without stored states, and whether the run came back to where it began.

    Raises ValueError where a step has no momentum, and for a run that leaves the range of fixed point.
    """
    run, schedule = _checks.prepared(run, schedule)
    machine, T = _Machine(run, schedule), len(run.batches)
    W_0, V_0, kept = start(run)
    W, V = W_0, V_0
    for t in range(T):
        W, V, kept = machine.forth(t, W, V, kept)
    words = kept.words
    sweep = _Sweep(machine, W)
    for t in reversed(range(T)):
        W, V, kept = machine.back(t, W, V, kept)
        sweep.back(t, W, V)
    exact = np.array_equal(W, W_0) and np.array_equal(V, V_0) and not kept.info.any() and not kept.pile
    return Undone(*sweep.result(), exact, words)


def stored(run: Run, schedule: Schedule) -> Undone:
    """The same derivative of the same quantised run, all of its states kept: what `reversible` must equal."""
    run, schedule = _checks.prepared(run, schedule)
    machine = _Machine(run, schedule)
    states, kept = [start(run)[:2]], start(run)[2]
    for t in range(len(run.batches)):
        W, V, kept = machine.forth(t, *states[-1], kept)
        states.append((W, V))
    sweep = _Sweep(machine, states.pop()[0])
    for t, (W, V) in reversed(list(enumerate(states))):
        sweep.back(t, W, V)
    return Undone(*sweep.result(), True, 2 * len(states) * run.w.size)


def start(run: Run) -> tuple[np.ndarray, np.ndarray, Kept]:
    """W, V and the bits before the first step."""
    W = whole(np.asarray(run.w, float))
    return W, np.zeros_like(W), Kept(np.zeros_like(W), ())


class _Sweep:
    """Cotangents on their way back, fed with one state after another."""

    def __init__(self, machine: _Machine, W: np.ndarray) -> None:
        self.machine, run = machine, machine.run
        self.w = machine.floats(W)
        self.loss, w_bar = jax.value_and_grad(run.loss)(self.w, *run.held_out)
        self.bar, self.bars = (w_bar, jnp.zeros_like(w_bar)), list[Schedule]()
        self.norms = [float(jnp.linalg.norm(w_bar))]

    def back(self, t: int, W: np.ndarray, V: np.ndarray) -> None:
        run, state = self.machine.run, (self.machine.floats(W), self.machine.floats(V))
        self.bar, bar = _vjp(run.loss, state, run.data, run.batches, self.machine.schedule, t, self.bar)
        self.bars.append(bar)
        self.norms.append(float(jnp.linalg.norm(self.bar[0])))

    def result(self) -> tuple[float, Schedule, Any, Any, Any]:
        grad = jax.tree.map(lambda *x: jnp.stack(x), *reversed(self.bars))
        return float(self.loss), grad, self.w, self.bar[0], jnp.asarray(self.norms[::-1])


def return_without_bits(run: Run, schedule: Schedule) -> Float[np.ndarray, " steps"]:
    """How far off a way back in floats is: max |w_t again - w_t| for t = 0 … T; NaN beyond all bounds.

    v_t = (v_{t+1} - g_t - lam_t w_t)/beta_t multiplies each rounding error by 1/beta_t, step after step.
    """
    run, schedule = _checks.prepared(run, schedule)
    numerators(schedule.momenta)
    there = _course(run.loss, run.w, run.data, run.batches, schedule)
    back = _course_back(run.loss, jax.tree.map(lambda s: s[-1], there), run.data, run.batches, schedule)
    return np.asarray(jnp.abs(back - there[0]).max(axis=1))


@partial(jax.jit, static_argnums=0)
def _grad(loss, w, data, batches, t):
    return jax.grad(loss)(w, *rows_of(data, batches, t))


@partial(jax.jit, static_argnums=0)
def _vjp(loss, state, data, batches, schedule, t, bar):
    return vjp_step(loss, state, rows_of(data, batches, t), at(schedule, t), bar)


@partial(jax.jit, static_argnums=0)
def _course(loss, w, data, batches, schedule):
    """All states (T + 1, p) of a run in floats."""

    def body(state, t):
        state = step(loss, state, rows_of(data, batches, t), at(schedule, t))
        return state, state

    first = first_state(w, schedule)
    _, later = jax.lax.scan(body, first, jnp.arange(len(batches)))
    return jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), first, later)


@partial(jax.jit, static_argnums=0)
def _course_back(loss, state, data, batches, schedule):
    """The weights (T + 1, p) as the inverse step finds them again."""

    def body(state, t):
        (w, v), (eta, beta, lam) = state, at(schedule, t)
        w = w + eta * v
        g = jax.grad(loss)(w, *rows_of(data, batches, t))
        return (w, (v - g - (0 if lam is None else lam * w)) / beta), w

    _, earlier = jax.lax.scan(body, state, jnp.arange(len(batches)), reverse=True)
    return jnp.concatenate([earlier, state[0][None]])
