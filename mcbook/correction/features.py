"""What the correction sees of a molecule: a function of the distance of every pair of atoms.

Problem    positions X (a, 3) ↦ q (p,), q_k = psi(r_k), one number for each of the p = a(a - 1)/2 pairs
Features   "log": psi = log r (a relative stretch),  "distance": psi = r,  "inverse": psi = 1/r
Chain      E(X) = f(q):   E_r = psi' ∘ f_q,   E_rr = diag(psi') f_qq diag(psi') + diag(psi'' ∘ f_q)
           ∇E  = Jᵀ E_r,  ∇²E = Jᵀ E_rr J + Σ_k (E_r)_k ∇²r_k,         J = ∂r/∂X (p, 3a)
Reduced    a gradient of a function of q lies in the rows of J: 3a - 6 numbers, not 3a. V (3a, s) is an
           orthonormal basis of these rows, g = V g_red; nothing is lost, and equal noise stays equal noise
Symbols    X (n, a, 3) geometries in Å, r, q (n, p), J (n, p, 3a), V (n, 3a, s)
"""

from collections.abc import Callable, Sequence
from itertools import permutations, product
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from mcbook._pairs import pair_curvature, pair_jacobian, pair_powers

Array = Any
MOST_PERMUTATIONS = 720


class Feature(NamedTuple):
    """psi(r) with psi' and psi''."""

    name: str
    psi: Callable[[Any], Any]
    dpsi: Callable[[Any], Any]
    d2psi: Callable[[Any], Any]


LOG = Feature("log", np.log, lambda r: 1 / r, lambda r: -1 / r**2)
DISTANCE = Feature("distance", lambda r: r, np.ones_like, np.zeros_like)
INVERSE = Feature("inverse", lambda r: 1 / r, lambda r: -1 / r**2, lambda r: 2 / r**3)
FEATURES = {feature.name: feature for feature in (LOG, DISTANCE, INVERSE)}


def named_feature(feature: Any) -> Feature:
    """A `Feature` from itself or its name.  Raises ValueError listing the names."""
    if isinstance(feature, Feature):
        return feature
    if isinstance(feature, str) and feature in FEATURES:
        return FEATURES[feature]
    raise ValueError(f"feature must be a Feature or one of {sorted(FEATURES)}; got {feature!r}.")


def like_atoms(symbols: Sequence[Any]) -> Int[Array, "g a"]:
    """All permutations of atoms of one element: water has 2, ammonia 6.  Identity first.

    `symbols` (a,): element symbols or atomic numbers.  Raises ValueError beyond 720 permutations.
    """
    kinds = {s: [i for i, t in enumerate(symbols) if t == s] for s in symbols}
    count = int(np.prod([np.prod(np.arange(1, len(rows) + 1)) for rows in kinds.values()], dtype=float))
    if count > MOST_PERMUTATIONS:
        raise ValueError(
            f"{count} permutations of like atoms are more than {MOST_PERMUTATIONS}: pass only those that the "
            "molecule performs without breaking bonds."
        )
    found = []
    for choice in product(*(permutations(rows) for rows in kinds.values())):
        perm = np.arange(len(symbols))
        for rows, order in zip(kinds.values(), choice, strict=True):
            perm[rows] = order
        found.append(perm)
    return np.array(sorted(found, key=lambda perm: tuple(perm)))


def features(X: Float[Array, "n a 3"], feature: Feature) -> Float[Array, "n p"]:
    """q = psi(r)."""
    return feature.psi(pair_powers(X, power=-1))


def feature_jacobian(X: Float[Array, "n a 3"], feature: Feature) -> Float[Array, "n p c"]:
    """∂q/∂X, the 3a coordinates in one row."""
    r, J = pair_powers(X, power=-1), pair_jacobian(X, power=-1)
    return feature.dpsi(r)[..., None] * J.reshape(*r.shape, -1)


def reduced_basis(J: Float[Array, "n p c"], atoms: int) -> Float[Array, "n c s"]:
    """V: orthonormal, the leading right singular vectors of J; s = min(p, 3a - 6), or 1 for two atoms."""
    s = min(J.shape[1], max(1, 3 * atoms - 6))
    return np.linalg.svd(J, full_matrices=False)[2][:, :s].transpose(0, 2, 1)


def pull_gradient(
    X: Float[Array, "n a 3"], f_q: Float[Array, "n p"], feature: Feature
) -> Float[Array, "n a 3"]:
    """∇E = (∂q/∂X)ᵀ f_q: no net force and no torque, whatever f_q is."""
    J = feature_jacobian(X, feature)
    return np.einsum("npc,np->nc", J, f_q).reshape(X.shape)


def pull_hessian(
    X: Float[Array, "n a 3"],
    f_q: Float[Array, "n p"],
    f_qq: Float[Array, "n p p"],
    feature: Feature,
) -> Float[Array, "n a 3 a 3"]:
    """∇²E = Jᵀ E_rr J + Σ_k (E_r)_k ∇²r_k."""
    r, J = pair_powers(X, power=-1), pair_jacobian(X, power=-1)
    d = feature.dpsi(r)
    E_rr = d[:, :, None] * f_qq * d[:, None, :]
    k = np.arange(r.shape[1])
    E_rr[:, k, k] += feature.d2psi(r) * f_q
    J = J.reshape(*r.shape, -1)
    bent = (J.transpose(0, 2, 1) @ E_rr @ J).reshape(*X.shape, *X.shape[1:])
    return bent + pair_curvature(X, d * f_q, power=-1)
