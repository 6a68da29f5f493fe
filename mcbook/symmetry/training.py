"""Training on forces: the energy is fitted through its gradient.

Problem    find weights whose energy has the right gradient at n geometries (and the right values)
Objective  L = mean over frames of  ‖F(X) - F_ref‖² / (3a s_F²) + w (E(X) - E_ref)² / s_F²,
           s_F the root mean square of the reference forces, w in Å⁻² for one kcal/mol beside one kcal/mol/Å
Gradient   JAX's, through our F = -∇E: a second derivative of the energy, mixed in weights and positions
Solver     Adam (optax), the rate warmed up and let down along a cosine; the whole course one `lax.scan`.
           Augmented: each sample turned anew, X Rᵀ and F Rᵀ, R uniform over the rotations
References kingma2015
Symbols    n frames, a atoms, R rotation
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float

from mcbook.symmetry import _frames
from mcbook.symmetry.potential import Potential

Model = Callable[[Any, Any], tuple[Any, Any]]  # (params, X (a, 3)) -> energy, forces


class Training(NamedTuple):
    """A potential, and the loss of each batch on the way; `diverged` where that was not finite."""

    potential: Potential
    losses: Float[np.ndarray, " steps"]
    diverged: bool


def loss(model: Model, params: Any, X: Any, E: Any, F: Any, *, s_F: Any, w: Any) -> Any:
    """The objective on a batch: X, F (b, a, 3), E (b,)."""
    E_hat, F_hat = jax.vmap(lambda x: model(params, x))(X)
    return (((F_hat - F) ** 2).mean() + w * ((E_hat - E) ** 2).mean()) / s_F**2


def train(
    model: Model,
    params: Any,
    X: Any,
    energy_kcal: Any,
    force_kcal_angstrom: Any,
    *,
    numbers: Any,
    key: Any,
    fixed: tuple[str, ...] = ("scale_kcal", "cutoff_angstrom", "center", "width"),
    steps: int = 2000,
    batch: int = 16,
    rate: int | float = 3e-3,
    w: int | float = 0.1,
    augment: bool = False,
) -> Training:
    """Fit params of a model to frames X (n, a, 3) in Å and their labels.

    Parameters
    ----------
    numbers : the atoms, in the order of X.
    fixed : fields of params that are left as they are.
    rate : of Adam, at its highest.
    w : weight of energies beside forces.
    augment : turn each sample at random, anew in each step.

    Raises
    ------
    ValueError : frames or labels that `_frames` refuses; fewer frames than a batch; settings out of range.
    """
    X = _frames.frames(X)
    E, F = _frames.labels(energy_kcal, force_kcal_angstrom, X.shape)
    numbers = _frames.atomic_numbers(numbers, X.shape[1])
    if not (1 <= batch <= len(X) and steps >= 10 and 0 < rate < 1 and w >= 0):
        raise ValueError(
            f"train expects 1 ≤ batch ≤ {len(X)} frames, steps ≥ 10, 0 < rate < 1, w ≥ 0; got {batch}, "
            f"{steps}, {rate}, {w}."
        )
    s_F = float(np.sqrt((F**2).mean()))
    run = _course(model, fixed, steps, batch, bool(augment))
    data = tuple(jnp.asarray(v) for v in (X, E, F))
    params, losses = run(params, key, data, s_F, w, rate)
    losses = np.asarray(losses)
    return Training(Potential(model, params, numbers), losses, not np.isfinite(losses).all())


def random_rotations(key: Any, n: int) -> Float[Any, "n 3 3"]:
    """Uniform over the rotations, from unit quaternions (q₀, v): R = (q₀² - v·v) I + 2 v vᵀ + 2 q₀ [v]ₓ."""
    q = jax.random.normal(key, (n, 4))
    q = q / jnp.linalg.norm(q, axis=1, keepdims=True)
    q0, v = q[:, 0, None, None], q[:, 1:]
    x, y, z = v[:, 0], v[:, 1], v[:, 2]
    o = jnp.zeros_like(x)
    cross = jnp.stack([o, -z, y, z, o, -x, -y, x, o], axis=1).reshape(n, 3, 3)
    dot = (v**2).sum(-1)[:, None, None]
    return (q0**2 - dot) * jnp.eye(3)[None] + 2 * v[:, :, None] * v[:, None, :] + 2 * q0 * cross


@lru_cache(maxsize=32)
def _course(model, fixed, steps, batch, augment):
    """The compiled course of a training: (params, key, data, s_F, w, rate) -> params, losses."""

    def run(params, key, data, s_F, w, rate):
        X, E, F = data
        mask = _trained(params, fixed)
        tx = optax.chain(optax.clip_by_global_norm(10.0), optax.scale_by_adam(b2=0.99))

        def step(carry, inputs):
            params, state = carry
            key, t = inputs
            pick, turn = jax.random.split(key)
            i = jax.random.choice(pick, len(X), (batch,), replace=False)
            x, f = X[i], F[i]
            if augment:
                R = random_rotations(turn, batch)
                x, f = x @ R.swapaxes(1, 2), f @ R.swapaxes(1, 2)
            value, grad = jax.value_and_grad(lambda p: loss(model, p, x, E[i], f, s_F=s_F, w=w))(params)
            grad = jax.tree.map(lambda g, m: g * m, grad, mask)
            change, state = tx.update(grad, state, params)
            params = jax.tree.map(lambda p, c: p - rate * schedule(t, steps) * c, params, change)
            return (params, state), value

        inputs = jax.random.split(key, steps), jnp.arange(steps)
        (params, _), losses = jax.lax.scan(step, (params, tx.init(params)), inputs)
        return params, losses

    return jax.jit(run)


def schedule(t: Any, steps: int) -> Any:
    """Share of the rate at step t: up over a twentieth of the steps, down along half a cosine to 1/1000."""
    up = jnp.minimum(1.0, (t + 1) / (0.05 * steps))
    return up * (1e-3 + (1 - 1e-3) * 0.5 * (1 + jnp.cos(jnp.pi * t / steps)))


def _trained(params, fixed):
    """1.0 at what is trained, 0.0 at what is not."""
    mark = {name: 0.0 if name in fixed else 1.0 for name in params._fields}
    return type(params)(
        *(jax.tree.map(lambda _, m=m: m, p) for p, m in zip(params, mark.values(), strict=True))
    )
