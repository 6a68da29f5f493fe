"""Exact Shapley values: what each player adds, averaged over all orders in which players may arrive.

Problem    share f(x) - f(b) out among k players (features, groups of them, or blocks), fairly
Objective  v(S) = mean over baselines of f(x_S, b_rest): players in S as in x, the others as in the baseline
           φ_i = Σ_{S ∌ i} |S|! (k - |S| - 1)! / k!  (v(S ∪ {i}) - v(S))
Laws       efficiency Σ φ_i = v(all) - v(∅); symmetry; a dummy gets nothing; linear in f
Solver     all 2^k coalitions in one batch, φ = W v with W (k, 2^k): k ≤ 12. No derivative is taken: kinks and
           steps of f do not matter.
Reference  shapley1953, lundberg2017
Symbols    X (n, ...) or blocks; players labels 0..k-1; S coalition
"""

from functools import partial
from math import factorial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mcbook.sensitivity import _checks, _layout

MOST_PLAYERS = 12


class Shapley(NamedTuple):
    """Values (n, k) of the players, their names, f(x) less the mean of f over the baselines, what is lost.

    `residual` (n,) is Σ φ - total: rounding, nothing else.
    """

    values: Float[np.ndarray, "n k"]
    players: tuple[str, ...]
    total: Float[np.ndarray, " n"]
    residual: Float[np.ndarray, " n"]


def shapley(f: Any, X: Any, baselines: Any, *, players: Any = "blocks") -> Shapley:
    """Exact Shapley values of each sample, the absent players taken from each baseline in turn.

    Parameters
    ----------
    f : model of one sample, returning a scalar.
    X : samples (n, ...), or a dict of blocks.
    baselines : a set (m, ...) of samples; rows of the data keep the absent features' own correlations.
    players : "blocks" (the dict's), "features" (every number), or an array/dict of integer labels 0..k-1 of
        one sample's shape, saying to which player each feature belongs.

    Raises
    ------
    ValueError : as `gradients`; baselines of another shape; more than 12 players, or fewer than 1; labels
        that leave a number out of 0..k-1.
    """
    given = _checks.rows(X)
    f, B = _checks.scalar(f, given), _checks.baselines(baselines, given)
    labels, names = player_labels(players, given.layout)
    k = len(names)
    if k > MOST_PLAYERS:
        raise ValueError(
            f"shapley is exact and visits all 2^k coalitions: at most {MOST_PLAYERS} players, got {k}. Group "
            "features into players (players=labels), or use expected_gradients."
        )
    member = coalitions(k)
    V = np.asarray(_coalition_values(f, given.Z, B, jnp.asarray(member[:, labels]), given.layout))
    phi = V @ shapley_weights(k).T
    total = V[:, -1] - V[:, 0]
    return Shapley(phi, names, total, phi.sum(axis=1) - total)


def coalitions(k: int) -> np.ndarray:
    """(2^k, k) booleans; row r holds the players whose bits are set in r, so row 0 is ∅ and the last all."""
    return (np.arange(2**k)[:, None] >> np.arange(k)) & 1 == 1


def shapley_weights(k: int) -> Float[np.ndarray, "k c"]:
    """W (k, 2^k) with φ = W v: +|S|!(k-|S|-1)!/k! at S ∪ {i}, the same with a minus at S."""
    member = coalitions(k)
    size = member.sum(axis=1)
    w = np.array([factorial(s) * factorial(k - s - 1) / factorial(k) for s in range(k)] + [0.0])
    return np.where(member, w[size - 1][:, None], -w[size][:, None]).T


def player_labels(players: Any, layout: _layout.Layout) -> tuple[np.ndarray, tuple[str, ...]]:
    """The label of every number of a flat row, and the players' names.  Raises ValueError."""
    if isinstance(players, str) and players == "blocks" and layout.names is not None:
        return np.repeat(np.arange(len(layout.sizes)), layout.sizes), layout.names
    if isinstance(players, str) and players == "features":
        return np.arange(sum(layout.sizes)), tuple(map(str, range(sum(layout.sizes))))
    if isinstance(players, str):
        raise ValueError(
            'players must be "blocks" (X a dict), "features", or labels of one sample\'s shape; got '
            f"{players!r}."
        )
    same = (set(players) == set(layout.names or ())) if isinstance(players, dict) else layout.names is None
    parts = [players[key] for key in layout.names or ()] if isinstance(players, dict) and same else [players]
    if not same or [np.shape(part) for part in parts] != list(layout.shapes):
        raise ValueError(f"players must be integer labels of one sample's shape(s), {list(layout.shapes)}.")
    labels = np.concatenate([np.asarray(part).ravel() for part in parts])
    k = int(labels.max()) + 1 if labels.dtype.kind in "iu" else 0
    if k < 1 or set(labels.tolist()) != set(range(k)):
        raise ValueError(
            f"players' labels must be the integers 0..k-1, each used; got {sorted(set(labels.tolist()))}."
        )
    return labels, tuple(map(str, range(k)))


@partial(jax.jit, static_argnames="layout")
def _coalition_values(f, Z, B, member, layout):
    """v(S) of every sample and coalition, (n, 2^k)."""

    def value(z, mask):
        return jax.vmap(lambda b: f(_layout.sample(jnp.where(mask, z, b), layout)))(B).mean()

    def one(z):
        return jax.lax.map(lambda mask: value(z, mask), member, batch_size=inner)

    inner = min(len(member), max(1, _layout.ROWS // B.size))
    return jax.lax.map(one, Z, batch_size=max(1, _layout.ROWS // (B.size * inner)))
