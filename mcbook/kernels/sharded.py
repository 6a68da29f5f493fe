"""Kernel ridge regression on many devices: rows are dealt to devices, and the same code runs on one or eight.

Problem    (K + lam I) alpha = y, n rows on D devices of n/D rows each, K never stored
Product    a ring: every device keeps its rows, and hands a copy of them to its neighbour, D - 1 times
Sums       PhiᵀPhi and Phiᵀy of `streamed` are a local product and one all-reduce of (m + 1)² numbers
Solver     the conjugate gradients of `iterative`, Π = Phi Phiᵀ + lam I from inducing points
Padding    rows that fill up a device are marked dead: they enter no sum, and their alpha is 0
References bradbury2018 (JAX and its sharding), hestenes1952
Symbols    X (n, d), V (n, k), Z (m, d), L (m, m), `live` (n,) 1 for a row and 0 for padding

Vectors of n numbers live with the caller, everything larger on the devices.  Every process of a
`jax.distributed` run calls these functions with the same arrays and gets the same answer.
Arithmetic is float64 where `jax_enable_x64` is set, else float32: then ask for no tol below 1e-5.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_solve, solve_triangular
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as Spec
from jaxtyping import Float

from mcbook.kernels._checks import block, named_kernel, points, ridge, targets, widths
from mcbook.kernels.functions import KERNELS, Kernel
from mcbook.kernels.iterative import IterativeRidge, solve_with_block
from mcbook.kernels.nystroem import Nystroem, nystroem_basis
from mcbook.kernels.solve import KernelRidge
from mcbook.kernels.streamed import Sums

Array = Any
ROWS = "rows"
TILE = 512  # rows of a tile on a device


class Shards(NamedTuple):
    """Rows dealt to the devices of a mesh: equally many each, the last of them padding."""

    A: jax.Array  # (N, d) rows over the widths, N = D c tile
    live: jax.Array  # (N, 1)
    n: int
    tile: int
    mesh: Mesh


def device_mesh(devices: Any = None) -> Mesh:
    """A line of devices (all that JAX sees, in all processes, by default).  Raises ValueError for none."""
    devices = list(jax.devices() if devices is None else devices)
    if not devices:
        raise ValueError("device_mesh expects at least one device, got none; leave `devices` out for all.")
    return Mesh(np.array(devices), (ROWS,))


def shard_rows(X: Any, *, sigma: Any, mesh: Mesh, tile: int = TILE) -> Shards:
    """X (n, d) over sigma, dealt to the devices of `mesh`; a device gets only its own rows.

    Raises ValueError for NaN, widths that are not positive or tile < 1.
    """
    X = points(X, "X")
    if tile < 1:
        raise ValueError(f"shard_rows expects tile ≥ 1, got {tile}.")
    tile = min(tile, -(-len(X) // mesh.size))
    A = X / widths(sigma, X.shape[1])
    live = np.ones((len(X), 1))
    total = -(-len(X) // (mesh.size * tile)) * mesh.size * tile
    return Shards(_deal(A, total, mesh), _deal(live, total, mesh), len(X), tile, mesh)


def _deal(rows: np.ndarray, total: int, mesh: Mesh) -> jax.Array:
    padded = np.concatenate([rows, np.zeros((total - len(rows), *rows.shape[1:]))])
    padded = padded.astype(jax.dtypes.canonicalize_dtype(float))
    sharding = NamedSharding(mesh, Spec(ROWS))
    return jax.make_array_from_callback(padded.shape, sharding, lambda index: padded[index])


def _everywhere(x: Any, mesh: Mesh) -> jax.Array:
    x = np.asarray(x, dtype=jax.dtypes.canonicalize_dtype(float))
    return jax.make_array_from_callback(x.shape, NamedSharding(mesh, Spec()), lambda index: x[index])


def _kernel(A: Float[Array, "a d"], B: Float[Array, "b d"], kernel: Kernel) -> Float[Array, "a b"]:
    """k (a, b) between rows over their widths.  Differences where phi has a corner at 0: exact there."""
    if kernel.name == "gaussian":
        S = (A * A).sum(1)[:, None] + (B * B).sum(1)[None, :] - 2 * A @ B.T
        return kernel.phi(jnp.maximum(S, 0))
    gap = A[:, None, :] - B[None, :, :]
    return kernel.phi(jnp.abs(gap).sum(2) if kernel.metric == "cityblock" else (gap * gap).sum(2))


def _ring_product(A: jax.Array, V: jax.Array, *, kernel: Kernel, tile: int, devices: int) -> jax.Array:
    """This device's rows of K V; A (b, d) and V (b, k) are its own rows, b a multiple of tile."""
    mine = A.reshape(-1, tile, A.shape[1])
    forward = [(i, (i + 1) % devices) for i in range(devices)]

    def with_guest(rows: jax.Array, columns: jax.Array) -> jax.Array:
        guests = (rows.reshape(mine.shape), columns.reshape(len(mine), tile, -1))

        def one(a: jax.Array) -> jax.Array:
            def add(total, guest):
                return total + _kernel(a, guest[0], kernel) @ guest[1], None

            return jax.lax.scan(add, 0 * guests[1][0], guests)[0]

        return jax.lax.map(one, mine).reshape(columns.shape)

    def turn(carry, _):
        rows, columns, total = carry
        rows, columns = (jax.lax.ppermute(x, ROWS, forward) for x in (rows, columns))
        return (rows, columns, total + with_guest(rows, columns)), None

    return jax.lax.scan(turn, (A, V, with_guest(A, V)), None, length=devices - 1)[0][2]


def _sharded_product(A: jax.Array, V: jax.Array, *, kernel: Kernel, tile: int, mesh: Mesh) -> jax.Array:
    ring = partial(_ring_product, kernel=kernel, tile=tile, devices=mesh.size)
    return jax.shard_map(ring, mesh=mesh, in_specs=(Spec(ROWS), Spec(ROWS)), out_specs=Spec(ROWS))(A, V)


@partial(jax.jit, static_argnames=("kernel", "tile", "mesh"))
def _gathered_product(A, live, V, *, kernel, tile, mesh):
    out = live * _sharded_product(A, live * V, kernel=kernel, tile=tile, mesh=mesh)
    return jax.lax.with_sharding_constraint(out, NamedSharding(mesh, Spec()))


def sharded_product(shards: Shards, V: Any, *, kernel: Any = "gaussian") -> np.ndarray:
    """K V (n, k), V (n, k) or (n,), around the ring; O(n d/D + tile²) memory on each of D devices.

    Raises ValueError for shapes that do not fit or NaN.
    """
    kernel, V = named_kernel(kernel, KERNELS), targets(V, shards.n, "V")
    columns = _deal(V.reshape(shards.n, -1), len(shards.A), shards.mesh)
    out = _gathered_product(shards.A, shards.live, columns, kernel=kernel, tile=shards.tile, mesh=shards.mesh)
    return np.asarray(out)[: shards.n].reshape(V.shape)


def _features(
    A: Float[Array, "n d"], Z: Float[Array, "m d"], L: Float[Array, "m m"], kernel: Kernel
) -> Float[Array, "n m"]:
    """Phi = K_nm L⁻ᵀ for rows and inducing points over their widths."""
    return solve_triangular(L, _kernel(A, Z, kernel).T, lower=True).T


def add_up_sharded(basis: Nystroem, X: Any, y: Any, *, mesh: Mesh, tile: int = TILE) -> Sums:
    """`streamed.add_up` for inducing points, on the devices of a mesh: the same sums, to rounding.

    X (n, d), y (n,) or (n, k); `ridge_from_sums` solves on.  Raises ValueError for shapes that do not fit.
    """
    X = points(X, "X", d=basis.Z.shape[1])
    y = targets(y, len(X)).reshape(len(X), -1)
    shards = shard_rows(X, sigma=basis.sigma, mesh=mesh, tile=tile)
    Y = _deal(y, len(shards.A), mesh)
    Z, L = _everywhere(basis.Z / basis.sigma, mesh), _everywhere(basis.L, mesh)
    sums = _sharded_sums(shards.A, shards.live, Y, Z, L, kernel=basis.kernel, tile=shards.tile, mesh=mesh)
    G, M, s = (np.array(part, dtype=float) for part in sums)
    return Sums(G, M, s, len(X))


@partial(jax.jit, static_argnames=("kernel", "tile", "mesh"))
def _sharded_sums(A, live, Y, Z, L, *, kernel, tile, mesh):
    def local(A, live, Y):
        def add(total, rows):
            a, alive, y = rows
            f = alive * jnp.concatenate([_features(a, Z_, L_, kernel), jnp.ones_like(alive)], axis=1)
            return jax.tree.map(jnp.add, total, (f.T @ f, f.T @ y, (y * y).sum(0))), None

        p, k = len(Z) + 1, Y.shape[1]
        zero = 0 * A[0, 0]  # varies over the devices, as the sums do
        start = (jnp.full((p, p), zero), jnp.full((p, k), zero), jnp.full(k, zero))
        tiles = jax.tree.map(lambda x: x.reshape(-1, tile, x.shape[1]), (A, live, Y))
        return jax.lax.psum(jax.lax.scan(add, start, tiles)[0], ROWS)

    Z_, L_ = Z, L
    rows = Spec(ROWS)
    return jax.shard_map(local, mesh=mesh, in_specs=(rows, rows, rows), out_specs=Spec())(A, live, Y)


def fit_sharded(
    X: Any,
    y: Any,
    *,
    mesh: Mesh,
    kernel: Any = "gaussian",
    sigma: Any,
    lam: float,
    P: Any = None,
    Z: Any = None,
    tol: float = 1e-8,
    max_iter: int = 500,
    tile: int = TILE,
) -> IterativeRidge:
    """Kernel ridge regression of y (n,) or (n, k) on X (n, d) by conjugate gradients on a mesh of devices.

    P (n, q) the unpenalised block.
    Z (m, d) inducing points for the preconditioner (None for none): O(n m/D) memory on each of D devices.
    The answer is that of `fit`; not converging is data.
    Raises ValueError for shapes that do not fit, NaN, widths or a lam that are not positive.
    """
    kernel, X = named_kernel(kernel, KERNELS), points(X, "X", least=2)
    sigma, y, P = widths(sigma, X.shape[1]), targets(y, len(X)), block(P, len(X))
    if not ridge(lam) > 0:
        raise ValueError(f"fit_sharded expects lam > 0, got {lam}: conjugate gradients need it.")
    shards = shard_rows(X, sigma=sigma, mesh=mesh, tile=tile)

    def product(V: np.ndarray) -> np.ndarray:
        return sharded_product(shards, V, kernel=kernel) + lam * V

    precondition = None
    if Z is not None:
        precondition = _preconditioner(shards, nystroem_basis(Z, kernel=kernel, sigma=sigma), lam)
    alpha, beta, run = solve_with_block(product, y, P, precondition=precondition, tol=tol, max_iter=max_iter)
    return IterativeRidge(KernelRidge(alpha, beta, X, kernel, sigma, float(lam)), run)


def _preconditioner(shards: Shards, basis: Nystroem, lam: float):
    """V ↦ (F Fᵀ + lam I)⁻¹V, F (n, m) by rows on the devices, FᵀF + lam I (m, m) on each of them."""
    Z, L = (_everywhere(x, shards.mesh) for x in (basis.Z / basis.sigma, basis.L))
    F, factor = _factor_low_rank(shards.A, shards.live, Z, L, lam, kernel=basis.kernel, mesh=shards.mesh)

    def apply(V: np.ndarray) -> np.ndarray:
        columns = _deal(V, len(shards.A), shards.mesh)
        return np.asarray(_woodbury(F, factor, columns, lam, mesh=shards.mesh))[: shards.n]

    return apply


@partial(jax.jit, static_argnames=("kernel", "mesh"))
def _factor_low_rank(A, live, Z, L, lam, *, kernel, mesh):
    F = live * _features(A, Z, L, kernel)
    inner = F.T @ F + lam * jnp.eye(len(Z))
    whole = jax.lax.with_sharding_constraint(jnp.linalg.cholesky(inner), NamedSharding(mesh, Spec()))
    return jax.lax.with_sharding_constraint(F, NamedSharding(mesh, Spec(ROWS))), whole


@partial(jax.jit, static_argnames="mesh")
def _woodbury(F, factor, V, lam, *, mesh):
    out = (V - F @ cho_solve((factor, True), F.T @ V)) / lam
    return jax.lax.with_sharding_constraint(out, NamedSharding(mesh, Spec()))
