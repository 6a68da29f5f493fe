"""Maps of the plane with their Jacobians, to be looked at: each takes a point (x, y) to a point.

Two of them are slices through a matrix function: x and y are entries of a symmetric 2 × 2 matrix, and what is
drawn are two entries of its square or of its inverse.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Float

Array = Any
ASPECT = 276 / 206  # of the pictures that they are drawn in: one unit is as long across as up
COUPLING = 0.5  # off the diagonal of the matrix that is inverted


class PlaneMap(NamedTuple):
    """A map F, its Jacobian (2, 2), and what is shown of it: windows as (centre x, centre y, half height)."""

    name: str
    words: str
    F: Callable[[Any], Any]
    jacobian: Callable[[Any], Any]
    domain: tuple[float, float, float]
    image: tuple[float, float, float]
    start: tuple[float, float]


def bend(p: Float[Array, " 2"]) -> Float[Array, " 2"]:
    """(x + ½ sin 2y, y + ½ sin 2x)."""
    x, y = p
    return jnp.stack([x + jnp.sin(2 * y) / 2, y + jnp.sin(2 * x) / 2])


def jacobian_bend(p: Float[Array, " 2"]) -> Float[Array, "2 2"]:
    x, y = p
    return jnp.array([[1.0, jnp.cos(2 * y)], [jnp.cos(2 * x), 1.0]])


def square_z(p: Float[Array, " 2"]) -> Float[Array, " 2"]:
    """z² of z = x + iy: (x² - y², 2xy)."""
    x, y = p
    return jnp.stack([x * x - y * y, 2 * x * y])


def jacobian_square_z(p: Float[Array, " 2"]) -> Float[Array, "2 2"]:
    x, y = p
    return 2 * jnp.array([[x, -y], [y, x]])


def polar(p: Float[Array, " 2"]) -> Float[Array, " 2"]:
    """From radius and angle to the plane: (x cos y, x sin y)."""
    x, y = p
    return jnp.stack([x * jnp.cos(y), x * jnp.sin(y)])


def jacobian_polar(p: Float[Array, " 2"]) -> Float[Array, "2 2"]:
    x, y = p
    return jnp.array([[jnp.cos(y), -x * jnp.sin(y)], [jnp.sin(y), x * jnp.cos(y)]])


def square_slice(p: Float[Array, " 2"]) -> Float[Array, " 2"]:
    """Entries 11 and 12 of M², M = [[x, y], [y, 1]]."""
    x, y = p
    return jnp.stack([x * x + y * y, x * y + y])


def jacobian_square_slice(p: Float[Array, " 2"]) -> Float[Array, "2 2"]:
    """Column x holds entries of dM M + M dM for dM = [[1, 0], [0, 0]], column y for [[0, 1], [1, 0]]."""
    x, y = p
    return jnp.array([[2 * x, 2 * y], [y, x + 1]])


def inverse_slice(p: Float[Array, " 2"]) -> Float[Array, " 2"]:
    """Entries 11 and 22 of M⁻¹, M = [[x, ½], [½, y]], for xy > ¼."""
    x, y = p
    return jnp.stack([y, x]) / (x * y - COUPLING**2)


def jacobian_inverse_slice(p: Float[Array, " 2"]) -> Float[Array, "2 2"]:
    """Minus the squares of the entries of M⁻¹: what -M⁻¹ dM M⁻¹ leaves of a step on the diagonal."""
    x, y = p
    det = x * y - COUPLING**2
    return -jnp.array([[y * y, COUPLING**2], [COUPLING**2, x * x]]) / det**2


MAPS: tuple[PlaneMap, ...] = (
    PlaneMap("bend", "(x + ½ sin 2y, y + ½ sin 2x)", bend, jacobian_bend,
             (0.0, 0.0, 1.2), (0.0, 0.0, 1.75), (0.8, 0.7)),
    PlaneMap("z²", "(x² − y², 2xy), the square of x + iy", square_z, jacobian_square_z,
             (0.0, 0.0, 1.2), (0.3, 0.0, 2.2), (0.8, 0.4)),
    PlaneMap("polar", "(x cos y, x sin y), radius and angle to the plane", polar, jacobian_polar,
             (1.9, 0.0, 1.4), (2.0, 0.0, 2.9), (2.0, 0.5)),
    PlaneMap("matrix squared", "entries 11 and 12 of M², M = [x y; y 1]", square_slice,
             jacobian_square_slice, (0.0, 0.0, 1.2), (1.9, 0.0, 2.2), (0.5, 0.6)),
    PlaneMap("matrix inverse", "entries 11 and 22 of M⁻¹, M = [x ½; ½ y]", inverse_slice,
             jacobian_inverse_slice, (1.9, 1.6, 0.85), (1.2, 1.15, 0.85), (1.6, 1.4)),
)  # fmt: skip


def window(seen: tuple[float, float, float]) -> tuple[float, float, float, float]:
    """A window as (least x, greatest x, least y, greatest y)."""
    cx, cy, half = seen
    return cx - ASPECT * half, cx + ASPECT * half, cy - half, cy + half
