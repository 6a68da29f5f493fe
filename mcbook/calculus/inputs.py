"""What the checker accepts: float64 variables, gradients of the same shape, finite scalar functions."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

ScalarFunction = Callable[[Any], Any]
Reals = Float[np.ndarray, "..."]


def as_variable(X: Any, name: str = "X") -> Reals:
    """X as a float64 array of its own. Raises ValueError when X is not float64, is empty or is not finite."""
    X = np.array(X)
    if X.dtype != np.float64:
        raise ValueError(
            f"{name} must be float64 for a check to 8 digits or more, got {X.dtype}; "
            f"convert with np.asarray({name}, dtype=float), and with JAX switch on jax_enable_x64."
        )
    if X.size == 0:
        raise ValueError(f"{name} must have at least one entry, got shape {X.shape}.")
    return require_finite(X, name)


def as_gradient(G: Any, X: Reals, name: str = "G") -> Reals:
    """G, or G(X), as an array of the shape of X. Raises ValueError for a wrong shape, dtype or NaN."""
    G = np.asarray(G(X.copy()) if callable(G) else G)
    if G.shape != X.shape:
        hint = f"; transpose {name}?" if G.shape == X.shape[::-1] else ""
        raise ValueError(
            f"a gradient has the shape of its variable: X is {X.shape}, but {name} is {G.shape}{hint}."
        )
    if not np.issubdtype(G.dtype, np.floating) and not np.issubdtype(G.dtype, np.integer):
        raise ValueError(f"{name} must be real, got {G.dtype}; a gradient of a real function is real.")
    return require_finite(G.astype(float), name)


def require_finite(A: Reals, name: str) -> Reals:
    """A itself. Raises ValueError naming the first entry that is NaN or infinite."""
    bad = np.argwhere(~np.isfinite(A))
    if len(bad):
        first = tuple(int(i) for i in bad[0])
        raise ValueError(
            f"{name} must be finite, but {len(bad)} of {A.size} entries are not, the first at {first}."
        )
    return A


def value_at(f: ScalarFunction, X: Reals) -> float:
    """f(X) as a float. Raises ValueError when f is not a real, float64, finite scalar there."""
    y = np.asarray(f(X.copy()))
    if y.shape != ():
        raise ValueError(f"f must be scalar-valued, got shape {y.shape}; reduce it, or use check_vjp.")
    if y.dtype in (np.float32, np.float16) or y.dtype.name == "bfloat16":
        raise ValueError(f"f computes in {y.dtype}, too coarse to check; with JAX switch on jax_enable_x64.")
    if np.iscomplexobj(y):
        raise ValueError("f must be real-valued, got a complex value; take its real part or its modulus.")
    if not np.isfinite(y):
        raise ValueError(f"f(X) must be finite, got {float(y)}; choose a point inside the domain of f.")
    return float(y)


def unit_direction(rng: np.random.Generator, X: Reals) -> Reals:
    """A direction of Frobenius norm 1, uniform on the sphere of the shape of X."""
    V = np.asarray(rng.standard_normal(X.shape))
    return np.asarray(V / np.linalg.norm(V))


def norm(A: Reals) -> float:
    """‖A‖, the square root of the sum of the squares."""
    return float(np.linalg.norm(A))


def inner(A: Reals, B: Reals) -> float:
    """⟨A, B⟩ = tr(AᵀB), the sum of the entrywise products."""
    return float(np.vdot(A, B))
