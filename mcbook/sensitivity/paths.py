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
from jaxtyping import Float, Int

from mcbook.sensitivity import _layout

NODES = 16
COST = NODES + NODES // 2 + 2  # gradients per piece: two rules and two ends
NARROWEST = 2.0**-44  # of a piece: below it, rounding of t decides
ROUNDS = 90
ETA = 1e-6  # half-width of the look across a cut


class Paths(NamedTuple):
    """Of each path: attribution (n, d), its estimated error, number of kinks, gradients computed."""

    attribution: Float[np.ndarray, "n d"]
    error: Float[np.ndarray, " n"]
    kinks: Int[np.ndarray, " n"]
    evaluations: Int[np.ndarray, " n"]


class Pieces(NamedTuple):
    """Of every piece: attribution (k, d), its estimated error, where its tangents cross, the size of F."""

    attribution: np.ndarray
    error: np.ndarray
    crossing: np.ndarray
    size: np.ndarray


def adaptive(f: Any, Z: Any, B: Any, layout: Any, *, tol: float, most: int) -> Paths:
    """Integrated gradients of flat rows, each path cut until its pieces are smooth or `most` is spent.

    The pieces of all paths are judged together; `owner` says which path a piece belongs to.
    """
    n, d = Z.shape
    owner, left, right, cuts = np.arange(n), np.zeros(n), np.ones(n), []
    done, error, size, used = np.zeros((n, d)), np.zeros(n), np.zeros(n), np.zeros(n, dtype=int)
    for k in range(ROUNDS):
        pieces = _judge(f, Z, B, owner, left, right, layout)
        np.add.at(used, owner, COST)
        np.maximum.at(size, owner, pieces.size)
        floor = 8 * float(jnp.finfo(Z.dtype).eps)
        allowed = size[owner] * np.maximum(tol / 4 * np.maximum(right - left, 1 / NODES), floor)
        last = (right - left <= NARROWEST) | (used[owner] >= most) | (k == ROUNDS - 1)
        stop = (pieces.error <= allowed) | last
        np.add.at(done, owner[stop], pieces.attribution[stop])
        np.add.at(error, owner[stop], pieces.error[stop])
        if stop.all():
            break
        owner, left, right, at = (v[~stop] for v in (owner, left, right, pieces.crossing))
        inside = (at > left) & (at < right) & (k % 2 == 0)
        at = np.where(inside, at, (left + right) / 2)
        cuts.append((owner, at))
        owner = np.concatenate([owner, owner])
        left, right = np.concatenate([left, at]), np.concatenate([at, right])
    return Paths(done, error, _kinks(f, Z, B, cuts, layout), used)


def padded(n: int) -> int:
    """The next of 8, 32, 128, …: a batch of n is filled up to it, because every new shape is compiled."""
    return 8 * 4 ** max(0, -(-((n - 1).bit_length() - 3) // 2))


def _judge(f, Z, B, owner, left, right, layout) -> Pieces:
    """Both rules on every piece."""
    at = np.resize(np.arange(len(owner)), padded(len(owner)))
    lo, hi = (jnp.asarray(v[at], Z.dtype) for v in (left, right))
    out = _rules(f, Z[owner[at]], B[owner[at]], lo, hi, layout)
    return Pieces(*(np.asarray(v)[: len(owner)] for v in out))


@partial(jax.jit, static_argnames="layout")
def _rules(f, Z, B, left, right, layout):
    def of(z):
        return f(_layout.sample(z, layout))

    def rule(m, z, b, lo, hi):
        t, w = (jnp.asarray(v, z.dtype) for v in np.polynomial.legendre.leggauss(m))
        t = lo + (hi - lo) * (t + 1) / 2
        return (z - b) * (w @ jax.vmap(jax.grad(of))(b[None] + t[:, None] * (z - b)[None])) * (hi - lo) / 2

    def piece(row):
        z, b, l, r = row  # noqa: E741
        fine, coarse = rule(NODES, *row), rule(NODES // 2, *row)
        (F_l, s_l), (F_r, s_r) = (jax.value_and_grad(lambda t: of(b + t * (z - b)))(t) for t in (l, r))
        gap = jnp.maximum(jnp.abs(fine - coarse).max(), jnp.abs(fine.sum() - (F_r - F_l)))
        straight = jnp.abs(s_l - s_r) <= 1e-9 * jnp.maximum(jnp.abs(s_l), jnp.abs(s_r))
        crossing = (F_r - F_l + s_l * l - s_r * r) / jnp.where(straight, 1.0, s_l - s_r)
        size = jnp.maximum(jnp.maximum(jnp.abs(F_l), jnp.abs(F_r)), jnp.abs(fine).max())
        return fine, gap, jnp.where(straight, jnp.nan, crossing), size

    batch = max(1, _layout.ROWS // (NODES * Z.shape[1]))
    return jax.lax.map(piece, (Z, B, left, right), batch_size=batch)


def _kinks(f, Z, B, cuts, layout) -> np.ndarray:
    """How many cuts of each path are jumps of the gradient; jumps within 2η of one another count once."""
    n = len(Z)
    if not cuts:
        return np.zeros(n, dtype=int)
    owner, t = (np.concatenate(v) for v in zip(*cuts, strict=True))
    order = np.lexsort((t, owner))
    owner, t = owner[order], t[order]
    wide, close = (_change(f, Z, B, owner, t, eta, layout) for eta in (ETA, ETA / 64))
    largest = np.zeros(n)
    np.maximum.at(largest, owner, wide)
    jump = (close > 0.5 * wide) & (wide > 1e-9 * largest[owner])
    owner, t = owner[jump], t[jump]
    new = np.concatenate([[True], (np.diff(owner) > 0) | (np.diff(t) > 2 * ETA)])[: len(owner)]
    return np.bincount(owner[new], minlength=n)


def _change(f, Z, B, owner, t, eta, layout) -> np.ndarray:
    """‖∇f(t + η) - ∇f(t - η)‖_∞ at each t of its path."""
    at = np.resize(np.arange(len(t)), padded(len(t)))
    z, b = Z[owner[at]], B[owner[at]]
    sides = [
        _layout.gradients(f, b + jnp.asarray(t[at] + s * eta, Z.dtype)[:, None] * (z - b), layout)
        for s in (1, -1)
    ]
    return np.abs(np.asarray(sides[0] - sides[1])).max(axis=1)[: len(t)]
