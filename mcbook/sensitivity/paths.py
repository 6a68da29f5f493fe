"""The straight path from baseline to input, cut at its kinks until every piece is smooth.

Problem    ∫_0^1 ∇f(b + t δ) dt, δ = x - b, where the gradient jumps on the way: a rule of m nodes across a
           jump errs by about jump/m, however large m is
Solver     pieces [l, r], each by the Gauss-Legendre rules of 8 and 16 nodes. A piece is done when they agree
           and ⟨δ, integral⟩ = F(r) - F(l). Otherwise it is cut where the tangents of F at l and r cross:
               t = (F(r) - F(l) + F'(l) l - F'(r) r) / (F'(l) - F'(r))
           That is exactly the kink where F is straight on both sides of it (a relu network), Newton's step
           towards it where F is curved. In every other round the piece is halved, so that several kinks, or
           tangents that mislead, cost rounds and not the answer.
Kink       a cut t where the gradient changes over ±η, and by as much over ±η/64; a smooth gradient's change
           would shrink with η.
Symbols    F(t) = f(b + t δ); l, r a piece's ends; slope = ⟨∇f, δ⟩ = F'
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mcbook.sensitivity import _layout

NODES = 16
NARROWEST = 2.0**-44  # of a piece: below it, rounding of t decides
ROUNDS = 90
ETA = 1e-6  # half-width of the look across a cut


class Path(NamedTuple):
    """One sample's attribution (d,), error estimate, number of kinks, and gradients computed."""

    attribution: Float[np.ndarray, " d"]
    error: float
    kinks: int
    evaluations: int


class Pieces(NamedTuple):
    """Of every piece: attribution (k, d), its estimated error, and where its tangents cross."""

    attribution: np.ndarray
    error: np.ndarray
    crossing: np.ndarray


def adaptive(f: Any, z: Any, b: Any, layout: Any, *, tol: float, most: int) -> Path:
    """Integrated gradients of one flat row, the path cut until its pieces are smooth or `most` is spent."""
    left, right, cuts = np.zeros(1), np.ones(1), []
    done, error, used, size = np.zeros(len(z)), 0.0, 0, 0.0
    for k in range(ROUNDS):
        pieces, extent = _judge(f, z, b, left, right, layout)
        used += len(left) * (NODES + NODES // 2 + 2)
        size = max(size, extent)
        floor = 8 * float(jnp.finfo(z.dtype).eps) * size
        fine = pieces.error <= np.maximum(tol / 4 * size * np.maximum(right - left, 1 / NODES), floor)
        last = (right - left <= NARROWEST) | (used >= most) | (k == ROUNDS - 1)
        stop = fine | last
        done, error = done + pieces.attribution[stop].sum(axis=0), error + pieces.error[stop].sum()
        if stop.all():
            break
        left, right, at = left[~stop], right[~stop], pieces.crossing[~stop]
        inside = (at > left) & (at < right) & (k % 2 == 0)
        at = np.where(inside, at, (left + right) / 2)
        cuts.append(at)
        left, right = np.concatenate([left, at]), np.concatenate([at, right])
    return Path(done, float(error), _kinks(f, z, b, cuts, layout), used)


def padded(n: int) -> int:
    """The next of 8, 64, 512, …: a batch of n is filled up to it, because every new shape is compiled."""
    return 8 ** max(1, -(-(n - 1).bit_length() // 3))


def _judge(f, z, b, left, right, layout) -> tuple[Pieces, float]:
    """Both rules on every piece, padded so that few shapes are compiled."""
    n = len(left)
    lo, hi = (jnp.asarray(np.resize(v, padded(n)), z.dtype) for v in (left, right))
    *out, extent = (np.asarray(v) for v in _rules(f, z, b, lo, hi, layout))
    return Pieces(*(v[:n] for v in out)), float(extent)


@partial(jax.jit, static_argnames="layout")
def _rules(f, z, b, left, right, layout):
    delta = z - b
    value_and_slope = jax.value_and_grad(lambda t: f(_layout.sample(b + t * delta, layout)))
    grad = jax.vmap(jax.grad(lambda z: f(_layout.sample(z, layout))))

    def rule(m, lo, hi):
        t, w = (jnp.asarray(v, z.dtype) for v in np.polynomial.legendre.leggauss(m))
        t = lo + (hi - lo) * (t + 1) / 2
        return delta * (w @ grad(b[None] + t[:, None] * delta[None])) * (hi - lo) / 2

    def piece(ends):
        fine, coarse = rule(NODES, *ends), rule(NODES // 2, *ends)
        (F_l, s_l), (F_r, s_r) = map(value_and_slope, ends)
        gap = jnp.maximum(jnp.abs(fine - coarse).max(), jnp.abs(fine.sum() - (F_r - F_l)))
        straight = jnp.abs(s_l - s_r) <= 1e-9 * jnp.maximum(jnp.abs(s_l), jnp.abs(s_r))
        crossing = (F_r - F_l + s_l * ends[0] - s_r * ends[1]) / jnp.where(straight, 1.0, s_l - s_r)
        crossing = jnp.where(straight, jnp.nan, crossing)
        return fine, gap, crossing, jnp.maximum(jnp.abs(F_l), jnp.abs(F_r))

    batch = max(1, _layout.ROWS // (NODES * len(z)))
    fine, gap, crossing, size = jax.lax.map(piece, (left, right), batch_size=batch)
    return fine, gap, crossing, jnp.maximum(size.max(), jnp.abs(fine).max())


def _kinks(f, z, b, cuts, layout) -> int:
    """How many cuts are jumps of the gradient; jumps within 2η of one another count once."""
    if not cuts:
        return 0
    t = np.sort(np.concatenate(cuts))
    wide, close = (_change(f, z, b, t, eta, layout) for eta in (ETA, ETA / 64))
    jumps = t[(close > 0.5 * wide) & (wide > 1e-9 * np.abs(wide).max())]
    return int(len(jumps) > 0) + int((np.diff(jumps) > 2 * ETA).sum())


def _change(f, z, b, t, eta, layout) -> np.ndarray:
    """‖∇f(t + η) - ∇f(t - η)‖_∞ at each t of the path."""
    pad = np.resize(t, padded(len(t)))
    at = jnp.asarray(np.concatenate([pad + eta, pad - eta]), z.dtype)
    G = np.asarray(_layout.gradients(f, b[None] + at[:, None] * (z - b)[None], layout))
    after, before = np.split(G, 2)
    return np.abs(after - before).max(axis=1)[: len(t)]
