"""Second order: do two features, or two blocks, act together?  Mixed blocks of the Hessian.

Problem    f(s, m) = p(s) + q(m) would let the blocks be judged apart; ∂²f/∂s∂m ≠ 0 says that they cannot be
Derivative d(∂f/∂s) = H_ss ds + H_sm dm: the change of one block's gradient when the other moves
Solver     Hessian-vector products, H v = d/dε ∇f(x + ε v) at 0 (forward over reverse), one for each number of
           the narrower block: the Hessian itself is never stored whole
Caveat     a relu network's Hessian is zero wherever it exists; its interactions sit in the kinks, unseen
Symbols    H_ab (size_a, size_b) the mixed block; σ scales of the features
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mcbook.sensitivity import _checks, _layout
from mcbook.sensitivity.blocks import feature_scale


def mixed_block(f: Any, X: Any, a: str, b: str) -> Float[np.ndarray, "n size_a size_b"]:
    """∂²f/∂x_a∂x_b of each sample, the blocks' numbers in their flat order.

    Raises ValueError as `gradients`, for X that is no dict, and for names that are no blocks.
    """
    given = _checks.rows(X)
    f = _checks.scalar(f, given)
    at_a, at_b = given.layout.block(a), given.layout.block(b)
    swap = at_b.stop - at_b.start < at_a.stop - at_a.start
    walk, read = (at_b, at_a) if swap else (at_a, at_b)
    V = jnp.eye(given.Z.shape[1], dtype=given.Z.dtype)[walk]
    H = np.asarray(_layout.hvps(f, given.Z, V, given.layout))[:, :, read]
    return H.swapaxes(1, 2) if swap else H


def interaction_norms(f: Any, X: Any, *, scales: Any = None) -> Float[np.ndarray, "n k k"]:
    """Frobenius norms of all mixed blocks, the features times `scales` as in `block_norms`; symmetric.

    Each is divided by √(size_a size_b), so that wide blocks are not larger for their width alone.
    Raises ValueError as `mixed_block`, and for scales that do not fit.
    """
    given = _checks.rows(X)
    names, shapes = given.layout.names or (), given.layout.shapes
    sigma = {
        name: feature_scale(scales, name, shape).ravel() for name, shape in zip(names, shapes, strict=True)
    }
    found = np.zeros((len(given.Z), len(names), len(names)))
    for i, a in enumerate(names):
        for j, b in enumerate(names[: i + 1]):
            H = mixed_block(f, X, a, b) * sigma[a][:, None] * sigma[b]
            found[:, i, j] = found[:, j, i] = np.linalg.norm(H, axis=(1, 2)) / np.sqrt(H[0].size)
    return found
