"""In-silico mutagenesis: every single mutant scored, and what the gradient had forecast.

Problem    x one-hot (L, A): what does f do when position i takes letter a?
Effect     Δ_ia = f(x with row i = e_a) - f(x)
Forecast   dx = e_a - e_{x_i} in row i, so ⟨∇f, dx⟩ = g_ia - g_{i,x_i}: differences within a row, which the
           simplex projection leaves as they are. Exact for a linear f; the gap is what curvature adds.
Symbols    X (n, L, A); g (L, A) the gradient; e_a the a-th unit row
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mcbook.sensitivity import _checks, _layout


def mutagenesis(f: Any, X: Any, *, block: str | None = None) -> Float[np.ndarray, "n L A"]:
    """f(mutant) - f(x) for all L A single mutants of each sample; 0 at the letters that stand there.

    Parameters
    ----------
    X : one-hot sequences (n, L, A), or a dict of blocks of which one is.
    block : the name of that block; the others stay as they are.

    Raises
    ------
    ValueError : as `gradients`; letters that are not one-hot rows; no such block.
    """
    given = _checks.rows(X)
    f = _checks.scalar(f, given)
    letters = _checks.one_hot(X if block is None else _block_of(X, block, given.layout), block or "X")
    at = given.layout.block(block) if block is not None else slice(0, given.Z.shape[1])
    start, (L, A) = at.start, letters.shape[1:]
    E = _effects(f, given.Z, given.layout, start, L, A)
    return np.where(letters == 1, 0.0, np.asarray(E))


def forecast(G: Any, X: Any) -> Float[np.ndarray, "n L A"]:
    """g_ia - g_{i,x_i}: the gradient's forecast of every single mutant's effect.

    G (n, L, A) a gradient at the one-hot sequences X (n, L, A).  Raises ValueError for other shapes.
    """
    X, G = _checks.one_hot(X, "X"), _checks.real(G, "G")
    if G.shape != X.shape:
        raise ValueError(f"G must have the shape of X, {X.shape}; got {G.shape}.")
    return G - (G * X).sum(axis=2, keepdims=True)


def _block_of(X: Any, block: str, layout: _layout.Layout) -> Any:
    layout.block(block)
    return X[block]


@partial(jax.jit, static_argnames=("layout", "start", "L", "A"))
def _effects(f, Z, layout, start, L, A):
    def one(z):
        def mutant(i, a):
            row = jnp.zeros(A, z.dtype).at[a].set(1)
            return f(_layout.sample(jax.lax.dynamic_update_slice(z, row, (start + i * A,)), layout))

        i, a = jnp.repeat(jnp.arange(L), A), jnp.tile(jnp.arange(A), L)
        inner = max(1, _layout.ROWS // len(z))
        scores = jax.lax.map(lambda ia: mutant(*ia), (i, a), batch_size=min(L * A, inner))
        return scores.reshape(L, A) - f(_layout.sample(z, layout))

    return jax.lax.map(one, Z, batch_size=max(1, _layout.ROWS // (L * A * Z.shape[1])))
