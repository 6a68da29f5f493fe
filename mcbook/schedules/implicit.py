"""Where the training stood still: the hypergradient from the equation of the end point alone.

Problem    w*(lam) solves g(w) + lam w = 0, g = ∇L on all of the data; d held_out(w*)/d lam
Equation   (H + lam I) dw* = -w* dlam, so  d held_out/d lam = -⟨w*, q⟩ with (H + lam I) q = ∇held_out(w*)
Solver     SciPy's conjugate gradients with Hessian-vector products
Limit      reverse mode at w* adds up q_K = eta Σ_{k<K} (I - eta (H + lam I))^k ∇held_out: Neumann's series of
           the inverse; the sum of λ̄_t over the last K steps is -⟨w*, q_K⟩, off by (1 - eta mu)^K
References larsen1996, lorraine2020
Symbols    H Hessian of L at w*, mu the least eigenvalue of H + lam I
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator, cg

from mcbook.schedules import _checks
from mcbook.schedules.run import Array, Loss, Run


class Implicit(NamedTuple):
    """d held_out/d lam; q (p,); ‖(H + lam I) q - ∇held_out‖ and ‖g + lam w‖ as shares; steps of the solver.

    Only as good as w* is stationary: `stationarity` is ‖g + lam w‖/‖lam w‖.
    """

    grad: float
    q: Float[Array, " p"]
    residual: float
    stationarity: float
    iterations: int


def implicit_gradient(
    run: Run, w_star: Any, lam: float | int, *, tol: float = 1e-12, iterations: int | None = None
) -> Implicit:
    """The derivative of the held-out loss by a weight decay that all steps share, at a stationary w_star.

    Raises ValueError where H + lam I is not positive definite along a direction of the solver: no minimum.
    """
    run = _checks.run_arrays(run)
    w = _checks.vector(w_star, "w_star", run.w.dtype)
    lam = _checks.positive(lam, "lam")
    g, b = jax.grad(run.loss)(w, *run.data), jax.grad(run.loss)(w, *run.held_out)

    def product(v):
        return _hvp(run.loss, w, run.data, v) + lam * v

    q, residual, taken = conjugate_gradients(product, b, tol=tol, iterations=iterations or 10 * len(w))
    stationarity = float(jnp.linalg.norm(g + lam * w) / jnp.linalg.norm(lam * w))
    return Implicit(-float(w @ q), q, residual, stationarity, taken)


def conjugate_gradients(
    product: Any, b: Float[Array, " p"], *, tol: float, iterations: int
) -> tuple[Float[Array, " p"], float, int]:
    """x with ‖product(x) - b‖ ≤ tol ‖b‖, that share as it is, and the steps it took."""
    steps = 0

    def along(direction: np.ndarray) -> np.ndarray:
        nonlocal steps
        steps += 1
        image = np.asarray(product(jnp.asarray(direction, b.dtype)))
        curvature = float(direction @ image)
        if not curvature > 0:
            raise ValueError(
                f"H + lam I has curvature {curvature:.1e} along a direction: w_star is no minimum; train "
                "longer, or with more decay."
            )
        return image

    A = LinearOperator((len(b), len(b)), matvec=along, dtype=b.dtype)
    x = jnp.asarray(cg(A, np.asarray(b), rtol=tol, maxiter=iterations)[0])
    size = float(jnp.linalg.norm(b))
    return x, float(jnp.linalg.norm(product(x) - b)) / size if size else 0.0, steps


@partial(jax.jit, static_argnums=0)
def _hvp(loss: Loss, w: Any, data: Any, v: Any) -> Any:
    return jax.jvp(lambda w: jax.grad(loss)(w, *data), (w,), (v,))[1]
