"""Integrated gradients: the gradient along the whole way from a baseline to the input, and its error.

Problem    share f(x) - f(b) out among the features, although f saturates
Objective  a = (x - b) ⊙ ∫_0^1 ∇f(b + t (x - b)) dt
Complete   F(t) = f(b + t (x - b)),  F'(t) = ⟨∇f, x - b⟩  ⇒  Σ_i a_i = F(1) - F(0) = f(x) - f(b)
Solver     Gauss-Legendre nodes, doubled until two rules agree: for a smooth f the error falls as ρ^(-2m), ρ
           given by the nearest singularity of F in the complex plane. Where doubling does not help, F has a
           kink on the way (relu, max, |·|): then the path is cut, `paths.adaptive`, until it is smooth.
Error      the largest difference between the last two rules over the features; completeness is reported
           beside it, as the residual Σ a - (f(x) - f(b)). Alone it proves little: errors cancel in it.
Reference  sundararajan2017; expected gradients erion2021
Symbols    X (n, ...) or blocks; b baseline; m nodes; F the model along the path
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from mcbook.sensitivity import _checks, _layout, paths

DOUBLINGS = 3  # 16, 32, 64, 128 nodes: smooth models need no more, kinked ones gain nothing from it


class Integrated(NamedTuple):
    """Attributions in X's structure, and per sample what is known about their error.

    `error`: estimate of the largest error of a feature; `residual`: Σ a - (f(x) - f(b)). `converged`: both
    within tol of the size of f and of the attributions. `kinks`: jumps of the gradient found on the way,
    looked for only where doubling the nodes did not help. `evaluations`: gradients computed.
    """

    attributions: Any
    error: Float[np.ndarray, " n"]
    residual: Float[np.ndarray, " n"]
    converged: Bool[np.ndarray, " n"]
    kinks: Int[np.ndarray, " n"]
    evaluations: Int[np.ndarray, " n"]


def integrated_gradients(
    f: Any,
    X: Any,
    baseline: Any,
    *,
    nodes: int = 16,
    tol: int | float = 1e-12,
    most: int = 20_000,
) -> Integrated:
    """Integrated gradients of each sample, from its baseline.

    Parameters
    ----------
    f : model of one sample, returning a scalar.
    X : samples (n, ...), or a dict of blocks.
    baseline : a number, one sample, or one per sample; the question is always "against what?".
    nodes : of the first Gauss-Legendre rule; the second has twice as many.
    tol : wanted of error and residual, relative to the largest of |f(x)|, |f(b)| and the attributions.
        In float32 nothing below about 1e-6 is reached, and `converged` says so.
    most : gradient evaluations that one sample may cost before it is reported as not converged.

    Raises
    ------
    ValueError : as `gradients`; a baseline of another shape; nodes < 2, tol ≤ 0.
    """
    given = _checks.rows(X)
    f, B = _checks.scalar(f, given), _checks.baseline(baseline, given)
    _check_settings(nodes, tol)
    found = _integrate(f, given.Z, B, given.layout, nodes=nodes, tol=tol, most=most)
    return found._replace(attributions=_layout.samples(found.attributions, given.layout))


def expected_gradients(
    f: Any,
    X: Any,
    baselines: Any,
    *,
    nodes: int = 16,
    tol: int | float = 1e-12,
    most: int = 20_000,
) -> Integrated:
    """Integrated gradients, averaged over a set of baselines (m, ...): all n m paths, nothing sampled.

    Sums to f(x) less the mean of f over the baselines. Error, residual and evaluations are summed up
    accordingly; `converged` where all of a sample's paths have.  Raises ValueError as `integrated_gradients`.
    """
    given = _checks.rows(X)
    f, B = _checks.scalar(f, given), _checks.baselines(baselines, given)
    _check_settings(nodes, tol)
    total = None
    for b in B:
        one = _integrate(
            f, given.Z, jnp.broadcast_to(b, given.Z.shape), given.layout, nodes=nodes, tol=tol, most=most
        )
        total = one if total is None else Integrated(*map(np.add, total, one))
    assert total is not None
    a, error, residual, converged, kinks, evaluations = total
    m = len(B)
    return Integrated(
        _layout.samples(a / m, given.layout), error / m, residual / m, converged, kinks, evaluations
    )


def _integrate(f, Z, B, layout, *, nodes, tol, most) -> Integrated:
    """Doubled rules for all samples; the adaptive path for those that doubling does not help."""
    ends = np.asarray(_layout.values(f, Z, layout)), np.asarray(_layout.values(f, B, layout))
    gain = ends[0] - ends[1]
    a, error, used, going = _doubled(f, Z, B, layout, gain, nodes, tol, np.maximum(*map(np.abs, ends)))
    kinks = np.zeros(len(Z), dtype=int)
    if going.any():
        cut = paths.adaptive(f, Z[going], B[going], layout, tol=tol, most=most)
        a[going], error[going], kinks[going] = cut.attribution, cut.error, cut.kinks
        used[going] += cut.evaluations
    residual = a.sum(axis=1) - gain
    size = np.maximum(np.maximum(*map(np.abs, ends)), np.abs(a).max(axis=1))
    converged = np.maximum(error, np.abs(residual)) <= tol * size
    return Integrated(a, error, residual, converged, kinks, used)


def _doubled(f, Z, B, layout, gain, nodes, tol, size):
    """Rules of m, 2m, 4m … nodes, each sample until two agree or doubling no longer helps tenfold."""
    n = len(Z)
    a = np.array(path_rule(f, Z, B, layout, nodes))
    error, used, going = np.full(n, np.inf), np.full(n, nodes), np.ones(n, dtype=bool)
    stuck = np.zeros(n, dtype=bool)
    for k in range(1, DOUBLINGS + 1):
        m, at = nodes * 2**k, np.flatnonzero(going)
        pad = np.resize(at, paths.padded(len(at)))
        finer = np.asarray(path_rule(f, Z[pad], B[pad], layout, m))[: len(at)]
        change = np.abs(finer - a[at]).max(axis=1)
        gap = np.maximum(change, np.abs(finer.sum(axis=1) - gain[at]))
        done = gap <= tol * np.maximum(size[at], np.abs(finer).max(axis=1))
        slow = ~done & (change > 0.1 * error[at])
        a[at], error[at], used[at] = finer, change, used[at] + m
        stuck[at] = slow | (~done & (k == DOUBLINGS))
        going[at] = ~done & ~slow
        if not going.any():
            break
    return a, error, used, stuck


def path_rule(f, Z, B, layout, m: int) -> Float[_layout.Array, "n d"]:
    """The m-node Gauss-Legendre rule for integrated gradients of every row."""
    t, w = gauss_legendre(m)
    return _path_rule(f, Z, B, jnp.asarray(t, Z.dtype), jnp.asarray(w, Z.dtype), layout)


def gauss_legendre(m: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the m-point rule on [0, 1]; exact for polynomials of degree 2m - 1."""
    t, w = np.polynomial.legendre.leggauss(m)
    return (t + 1) / 2, w / 2


@partial(jax.jit, static_argnames="layout")
def _path_rule(f, Z, B, t, w, layout):
    grad = jax.vmap(jax.grad(lambda z: f(_layout.sample(z, layout))))

    def one(row):
        z, b = row
        return (z - b) * (w @ grad(b[None] + t[:, None] * (z - b)[None]))

    batch = max(1, _layout.ROWS // (len(t) * Z.shape[1]))
    return jax.lax.map(one, (Z, B), batch_size=batch)


def _check_settings(nodes: int, tol: float) -> None:
    if nodes < 2 or not tol > 0:
        raise ValueError(f"integrated gradients need nodes ≥ 2 and tol > 0, got {nodes} and {tol}.")
